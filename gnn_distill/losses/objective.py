"""The objective: L = w_task·L_task + w_soft·L_soft + w_micro·L_micro + w_macro·L_macro + Σ_s w_s·L_align^s.

Published losses and losses of one's own are added to them, or replace them: + Σ_b w_b·L_b.
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.losses.balance import Balance
from gnn_distill.losses.families import FAMILIES
from gnn_distill.losses.graph_lookups import Structure
from gnn_distill.losses.projectors import Projectors, StudentShape, TeacherShape
from gnn_distill.losses.schedule import ramp_factor, settles
from gnn_distill.losses.task import TaskLoss
from gnn_distill.losses.term import Requires, TeacherRows, Term, of_all_teachers
from gnn_distill.models.representations import Representations


class Objective(nn.Module):
    """Weighted sum of the terms whose weight is not 0; owns the projections that the terms learn.

    Without a teacher only the task term is left. `further` teachers have projections of their own, and share the weight
    of each term with the first.
    """

    def __init__(
        self,
        task_loss: TaskLoss,
        loss: LossConfig,
        align: AlignmentConfig,
        teacher: TeacherShape | None = None,
        student: StudentShape | None = None,
        structure: Structure | None = None,
        further: Sequence[TeacherShape] = (),
    ) -> None:
        super().__init__()
        self.task_loss, self.form = task_loss, loss.schedule.form
        self.projectors, self.further = None, nn.ModuleList()
        terms = [Term("task", loss.weights.task, loss.schedule.task, task_loss)] if loss.weights.task else []
        if teacher is not None:
            whiten = align.standardise == "whiten"
            self.projectors = Projectors(teacher, student, task_loss, structure, whiten)
            for shape in further:
                self.further.append(Projectors(shape, student, task_loss, structure, whiten, self.projectors.operators))
            of_each = [
                [term for family in FAMILIES for term in family(projectors, loss, align)]
                for projectors in (self.projectors, *self.further)
            ]
            terms += [of_all_teachers(same) for same in zip(*of_each, strict=True)]
        self.terms = {term.name: term for term in terms}
        self.balance = None
        if teacher is not None and loss.balance == "gradient":
            self.balance = Balance(list(self.terms), loss.weights.task, loss.balance_share, loss.balance_every)

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """As for any module; in states of earlier versions the projectors are called `bridge`."""
        old = f"{prefix}bridge."
        for key in [key for key in state if key.startswith(old)]:
            state[f"{prefix}projectors.{key.removeprefix(old)}"] = state.pop(key)
        super()._load_from_state_dict(state, prefix, *rest)

    @property
    def requires(self) -> Requires:
        """What the terms read of the teacher, of the student's attention and of the graphs."""
        return reduce(or_, (term.requires for term in self.terms.values()), Requires())

    def find_derived(self, batch: GraphBatch) -> None:
        """Find in a batch, on the host, all that terms read of it beside its fields."""
        for derived in self.requires.derived:
            derived(batch)

    @property
    def weights(self) -> dict[str, float]:
        """Each term's weight where no schedule lowers it."""
        return {name: term.weight for name, term in self.terms.items()}

    @property
    def settled(self) -> float:
        """Share of the training after which no weight changes."""
        return max((settles(term.ramp) for term in self.terms.values()), default=0.0)

    def forward(
        self,
        out: Representations,
        batch: GraphBatch,
        teacher: TeacherRows | None,
        progress: float,
        parameters: Sequence[Tensor] = (),
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor], dict[str, float | Tensor]]:
        """The total, the raw value of each term that counts, and each term's weight now.

        progress: share of the training done, in [0, 1]; parameters: those whose gradients are balanced.
        """
        weights = {name: term.weight * ramp_factor(term.ramp, self.form, progress) for name, term in self.terms.items()}
        measure = self.balance is not None and self.balance.due()
        raw = {name: self.terms[name](out, batch, teacher) for name in weights if weights[name] or measure}
        if measure:
            self.balance.measure(raw, parameters)
            raw = {name: value for name, value in raw.items() if weights[name]}
        if self.balance is not None:
            weights = self.balance(weights)
        total = sum((weights[name] * value for name, value in raw.items()), start=out.logits.sum() * 0.0)
        return total, {name: value.detach() for name, value in raw.items()}, weights
