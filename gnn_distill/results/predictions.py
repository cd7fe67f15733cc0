"""What a run's models say of the examples of its result, read from predictions.csv."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from gnn_distill.formatting import ROLES
from gnn_distill.results.run_files import Run
from gnn_distill.storage.bounded import Damaged, read_csv
from gnn_distill.storage.run_directory import PREDICTIONS, REPEAT_RUN, verify_run

MODELS = ("student", *(role for role in ROLES if role != "student"), "floor")
"""Models with predictions, the one that matters first."""


@dataclass(frozen=True)
class Predictions:
    """Labels and outputs of one part, in the order of the file."""

    kind: str
    part: str
    targets: tuple[str, ...]
    """One a column of labels."""
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    labels: Float[np.ndarray, "examples targets"]
    """NaN where missing; multi-class: the number of the class."""
    outputs: dict[str, Float[np.ndarray, "examples outputs"]]
    """By model: values, or probabilities of class 1, or of a multi-class task of each class."""

    @property
    def main(self) -> str:
        """The model that worst examples and tables by target are of."""
        return next(iter(self.outputs))

    def known(self, target: int) -> Bool[np.ndarray, " examples"]:
        """Which examples have a label of a target, and outputs that are finite."""
        finite = np.all([np.isfinite(values).all(axis=1) for values in self.outputs.values()], axis=0)
        return finite & ~np.isnan(self.labels[:, target])


def rows_of_part(folder: Path, part: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows, as texts, of a part (val or test) of a run's predictions.csv, without `split`: ids are first.

    Raises:
        Damaged: if the file is not as the run wrote it.
    """
    verify_run(folder, PREDICTIONS)
    header, rows = read_csv(folder / PREDICTIONS, folder, REPEAT_RUN)
    if header[:2] != ["split", "id"]:
        raise Damaged(folder / PREDICTIONS, "its first columns are not split and id", REPEAT_RUN)
    return header[1:], [row[1:] for row in rows if row[0] == part]


def read_predictions(run: Run) -> Predictions | None:
    """The predictions of the split of the result; None where a run kept none, or an earlier version made it."""
    kind = run.summary.get("kind")
    if kind is None or not (run.path / PREDICTIONS).is_file():
        return None
    header, rows = rows_of_part(run.path, run.read_split)
    labels = [place for place, name in enumerate(header) if name.partition(":")[0] == "label"]
    outputs = {
        role: places
        for role in MODELS
        if (places := [place for place, name in enumerate(header) if name.startswith(f"{role}:")])
    }
    if not rows or not labels or not outputs:
        return None
    values = np.array([[float(cell or "nan") for cell in row[1:]] for row in rows])
    multiclass = kind == "multiclass"
    return Predictions(
        kind=kind,
        part=run.read_split,
        targets=(run.summary.get("table", {}).get("target", "class"),) if multiclass else tuple(run.summary["targets"]),
        classes=tuple(run.summary["classes"]),
        ids=tuple(row[0] for row in rows),
        labels=values[:, [place - 1 for place in labels]],
        outputs={role: values[:, [place - 1 for place in places]] for role, places in outputs.items()},
    )
