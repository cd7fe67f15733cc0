"""A finished run in Python: its scores, its epochs, and its student."""

from contextlib import nullcontext
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd
from torch import nn

from gnn_distill.api import given_student
from gnn_distill.api.given import Given, giving
from gnn_distill.api.isolation import isolated
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.errors import UserError
from gnn_distill.formatting import Format, metric_label
from gnn_distill.models.predictor import Graphs, Predictor
from gnn_distill.pipeline.finished_run import config_of
from gnn_distill.predict import load
from gnn_distill.results.report import write_report
from gnn_distill.storage.metrics_file import METRICS_FILE
from gnn_distill.storage.run_directory import PREDICTIONS, SUMMARY, read_summary, verify_run

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

ROWS = ("constant", "floor", "teacher", "alone", "student")
"""Entries of a summary that have scores, from what costs nothing to the student."""


class Run:
    """A finished run, read from its folder; nothing is read before it is asked for."""

    def __init__(self, folder: str | Path, own_modules: bool = False, student: nn.Module | None = None) -> None:
        self.folder = Path(folder)
        self._own_modules, self._student = own_modules, student

    @classmethod
    def load(cls, folder: str | Path, own_modules: bool = False, student: nn.Module | None = None) -> Self:
        """The run in a folder.

        own_modules: import a student's module of your own, which executes it. student: of a run by `distill` with a
        student of your own a module of the same kind, whose weights are replaced by those of the run.

        Raises:
            UserError: if no finished run is there, or it is damaged.
        """
        if not (Path(folder) / SUMMARY).is_file():
            raise UserError(f"{folder}: no finished run is here ({SUMMARY} is missing).")
        run = cls(folder, own_modules, student)
        _ = run.summary
        return run

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json: metrics by model and split, settings, data, notices, times."""
        return read_summary(self.folder)

    @cached_property
    def config(self) -> TrainConfig:
        """Its settings."""
        return config_of(self.folder)

    @property
    def notices(self) -> list[str]:
        """What the run told its user."""
        return self.summary["notices"]

    @property
    def scores(self) -> pd.DataFrame:
        """The primary metric: rows are models, columns the splits."""
        metric = self.summary["metric"]
        known = {row: self.summary[row] for row in ROWS if row in self.summary}
        values = {
            row: {split: found[split].get(metric) for split in ("val", "test") if split in found}
            for row, found in known.items()
        }
        return pd.DataFrame.from_dict(values, orient="index").rename_axis(metric)

    @property
    def metrics(self) -> pd.DataFrame:
        """metrics.csv: a row for every epoch of every stage."""
        return self._table(METRICS_FILE)

    @property
    def predictions(self) -> pd.DataFrame:
        """predictions.csv: labels of validation and test examples, and what each model says of them."""
        return self._table(PREDICTIONS)

    @cached_property
    def student(self) -> Predictor:
        """Its student, ready to predict, on the CPU; `run.student.to("cuda")` moves it."""
        with isolated(), giving(Given(student=self._student)) if self._student is not None else nullcontext():
            given = self.config.student.name == given_student.__name__
            return load(self.folder, own_module=self._own_modules or given)

    def predict(
        self, graphs: "Graphs | pd.DataFrame", on_invalid: str = "error"
    ) -> "Float[Tensor, 'example output'] | pd.DataFrame":
        """What the student says of graphs, SMILES or a DataFrame of these: see `Predictor.predict`."""
        return self.student.predict(graphs, on_invalid)

    def report(self) -> Path:
        """Write report.html to its folder; returns the file's path."""
        with isolated():
            return write_report(self.folder)

    def _table(self, name: str) -> pd.DataFrame:
        if not (self.folder / name).is_file():
            raise UserError(f"{self.folder / name}: is missing. Repeat the run.")
        verify_run(self.folder, name)
        return pd.read_csv(self.folder / name)

    def _shown(self) -> pd.DataFrame:
        scores = self.scores
        number = Format.of(self.summary["metric"], scores.to_numpy().flatten().tolist())
        return scores.map(number).rename_axis(metric_label(self.summary["metric"]))

    def __repr__(self) -> str:
        return f"Run {self.summary['name']} in {self.folder}\n{self._shown().to_string()}"

    def _repr_html_(self) -> str:
        return f"<p><b>{escape(self.summary['name'])}</b> {escape(str(self.folder))}</p>{self._shown().to_html()}"
