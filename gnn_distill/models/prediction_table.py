"""Predictions as columns of a table, named by target, classes in the words of the training data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from gnn_distill.data.reading.smiles_column import find_smiles_column
from gnn_distill.data.task import DataColumns, TaskSpec
from gnn_distill.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Region:
    """Where the truth is likely to lie: intervals of a regression, or sets of classes."""

    low: Float[np.ndarray, "rows targets"] | None = None
    high: Float[np.ndarray, "rows targets"] | None = None
    members: Bool[np.ndarray, "rows targets classes"] | None = None


class PredictionTable:
    """Names and cells of the columns that predictions of a task add to a table."""

    def __init__(self, spec: TaskSpec, columns: DataColumns) -> None:
        self.spec, self._columns = spec, columns
        self.targets = (columns.target,) if spec.kind == "multiclass" else spec.target_names
        self._shown = spec.classes if spec.kind == "multiclass" else spec.classes[1:]
        """Classes whose probability is shown: of two that of the positive one."""

    def header(self, spread: bool = False, region: bool = False) -> list[str]:
        """Names of the columns: what is predicted, probabilities, their spread over an ensemble, interval or set."""
        names = []
        for target in self.targets:
            names.append(f"{target}_predicted")
            if self.spec.kind == "regression":
                names += [f"{target}_std"] * spread + [f"{target}_low", f"{target}_high"] * region
            else:
                names += [f"{target}_probability_{name}" for name in self._shown]
                names += [f"{target}_std_{name}" for name in self._shown] * spread
                names += [f"{target}_set"] * region
        return names

    def cells(
        self,
        values: Float[np.ndarray, "rows outputs"],
        spread: Float[np.ndarray, "rows outputs"] | None = None,
        region: Region | None = None,
    ) -> list[list[Any]]:
        """The columns of `header`, one list each: numbers, and classes by name."""
        columns: list[list[Any]] = []
        width = values.shape[1] // len(self.targets)
        for place in range(len(self.targets)):
            own = slice(place * width, (place + 1) * width)
            parts = values[:, own].T.tolist()
            columns += parts if self.spec.kind == "regression" else [self._labels(values[:, own]), *parts]
            columns += [] if spread is None else spread[:, own].T.tolist()
            if region is not None and region.members is not None:
                columns.append([self._named(row) for row in region.members[:, place]])
            elif region is not None:
                columns += [region.low[:, place].tolist(), region.high[:, place].tolist()]
        return columns

    def find_smiles(
        self, names: list[str], rows: list[list[object]], asked: str | None, advice: str = "Set smiles_column to"
    ) -> tuple[int, str]:
        """The place of the column of SMILES of a table with these first rows, and a notice if it was guessed.

        Raises UserError, with the advice, if it cannot be told.
        """
        from gnn_distill.data.assembly.molecules import parses  # imports RDKit

        return find_smiles_column(names, rows, asked, self._columns.smiles, parses, advice)

    def added_to(
        self,
        frame: "pd.DataFrame",
        values: Float[np.ndarray, "predicted outputs"],
        positions: Sequence[int],
        errors: Mapping[int, str],
        warnings: Mapping[int, list[str]],
    ) -> "pd.DataFrame":
        """A copy of the table with predictions in the rows `positions`, and `error` and `warning` in all."""
        result = frame.copy()
        for name, cells in zip(self.header(), self.cells(values), strict=True):
            full: list[Any] = [None] * len(frame)
            for position, cell in zip(positions, cells, strict=True):
                full[position] = cell
            result[name] = full
        result[ERROR] = [errors.get(position, "") for position in range(len(frame))]
        result[WARNING] = [warned(warnings.get(position, [])) for position in range(len(frame))]
        return result

    def _labels(self, probabilities: Float[np.ndarray, "rows shown"]) -> list[str]:
        """The likeliest class of each row; of two the positive one if its probability exceeds a half."""
        several = probabilities.shape[1] > 1
        numbers = probabilities.argmax(1) if several else (probabilities[:, 0] > 0.5).astype(int)
        return [self.spec.classes[number] for number in numbers.tolist()]

    def _named(self, members: Bool[np.ndarray, " classes"]) -> str:
        names = [name for name, inside in zip(self.spec.classes, members.tolist(), strict=True) if inside]
        return f"{{{'|'.join(names)}}}"


def warned(unseen: Sequence[str]) -> str:
    """The cell of `warning`: what no training graph had."""
    return f"not in the training data: {'; '.join(unseen)}" if unseen else ""


def check_columns(given: Sequence[str], added: Sequence[str]) -> None:
    """Raise UserError if the input has a column that the output would add."""
    if twice := [name for name in (*added, ERROR, WARNING) if name in given]:
        raise UserError(
            f"The input has a column '{twice[0]}', which the output adds: rename it, or leave it out of the input."
        )
