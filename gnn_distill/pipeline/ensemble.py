"""Several teachers as one: what the student reads of them together."""

from collections.abc import Sequence
from dataclasses import replace

from gnn_distill.models.ensemble import mean_logits
from gnn_distill.pipeline.kept_outputs import TeacherOutputs


def together(outputs: Sequence[TeacherOutputs], kind: str) -> TeacherOutputs:
    """The outputs of several teachers as one's: the first's, with the logits of all, and the others as `further`.

    kind: of the task, as in TaskSpec.
    """
    first, *others = outputs
    if not others:
        return first
    return replace(first, logits=mean_logits([one.logits for one in outputs], kind), further=tuple(others))
