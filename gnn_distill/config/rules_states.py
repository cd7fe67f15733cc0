"""Rules of `gnn-distill train` about students without states of nodes, or with states of patches."""

from omegaconf import DictConfig

from gnn_distill.config.capabilities import capabilities_of, students_who
from gnn_distill.config.schema.fields import of_nodes
from gnn_distill.config.schema.objective import AlignmentWeights, BaselineConfig, MacroConfig, MicroConfig
from gnn_distill.errors import UserError, refuse


def states_are_there(cfg: DictConfig) -> None:
    """The student has the states that terms compare: of nodes, or of patches."""
    teacher, student, align = cfg.teacher, cfg.student, cfg.alignment
    if "none" in (teacher.name, student.name):
        return
    can = capabilities_of(student.name)
    if align.weights.subgraph and align.source == "patch":
        _patches_are_there(cfg)
    if can.node_states:
        return
    asked = dict.fromkeys(_weights_of_nodes(cfg), 0)
    if align.weights.subgraph and align.source != "patch":
        asked |= {"alignment.source": "patch"} if can.reads_patches else {"alignment.weights.subgraph": 0}
    asked |= {
        f"loss.own.{name}.reads": "graphs" for name, own in cfg.loss.own.items() if own.weight and own.reads == "nodes"
    }
    if align.reuse_head:
        asked |= {"alignment.reuse_head": "false"}
    if asked:
        remedy = " ".join(f"{key}={value}" for key, value in asked.items())
        raise UserError(
            f"{', '.join(asked)}: student={student.name} has no states of nodes, which "
            f"{'this compares' if len(asked) == 1 else 'these compare'}. Set {remedy}, or choose "
            f"{students_who(node_states=True)}."
        )


def _patches_are_there(cfg: DictConfig) -> None:
    student = cfg.student.name
    can = capabilities_of(student)
    if not can.reads_patches:
        raise refuse(
            "alignment.source",
            "patch",
            f"student={student} has no patches. Choose ego, walk, cluster or fragment, or "
            f"{students_who(reads_patches=True)}.",
        )
    if cfg.teacher.control == "self" and not can.node_states:
        raise refuse(
            "alignment.weights.subgraph",
            cfg.alignment.weights.subgraph,
            f"teacher.control=self: the teacher is student={student} itself, without states of nodes whose mean "
            "over a patch could be matched. Set it to 0.",
        )


def _weights_of_nodes(cfg: DictConfig) -> list[str]:
    """Keys of all weights above 0 of losses that compare states of nodes."""
    loss = cfg.loss
    sections = (
        ("loss.micro", loss.micro, MicroConfig, loss.weights.micro),
        ("loss.macro", loss.macro, MacroConfig, loss.weights.macro),
        ("loss.baseline", loss.baseline, BaselineConfig, 1.0),
        ("alignment.weights", cfg.alignment.weights, AlignmentWeights, 1.0),
    )
    return [
        f"{path}.{key}" for path, values, schema, group in sections for key in of_nodes(schema) if group * values[key]
    ]
