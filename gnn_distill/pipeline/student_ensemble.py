"""The students of finished runs as one predictor: the mean of what they say, its spread, and calibrated regions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from gnn_distill.analysis.conformal import Calibration, calibrate, class_sets, intervals
from gnn_distill.analysis.fold_conformal import FoldCalibration, calibrate_folds, fold_intervals, fold_sets
from gnn_distill.data.assembly.inputs import Inputs
from gnn_distill.data.task import TaskSpec
from gnn_distill.errors import UserError, refuse
from gnn_distill.models.prediction_table import PredictionTable, Region
from gnn_distill.models.predictor import Answers, Predictor
from gnn_distill.pipeline.fold_calibration import are_folds, groups_of, read_folds
from gnn_distill.pipeline.kept_predictions import KeptPart, read_part
from gnn_distill.predict import WEIGHTS, load
from gnn_distill.results.probes import find_runs
from gnn_distill.storage.run_directory import read_summary

ACCELERATORS = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
AGREED = ("kind", "level", "target_names", "classes", "molecules")
"""What the tasks of an ensemble must have in common."""


@dataclass
class Rows:
    """What an ensemble says of some inputs, which are named by their position."""

    values: Float[np.ndarray, "rows outputs"]
    """Means over the runs, of the inputs that all runs can predict."""
    each: Float[np.ndarray, "runs rows outputs"]
    spread: Float[np.ndarray, "rows outputs"] | None
    """Standard deviation over the runs (n - 1); None for one run."""
    rows: dict[int, int]
    """By predicted input, ascending, its number of rows."""
    errors: dict[int, str]
    warnings: dict[int, list[str]]


class Ensemble:
    """Students of runs that predict the same targets.

    Raises:
        UserError: if a folder holds no finished run with a student, or tasks differ.
    """

    def __init__(
        self,
        places: Sequence[str | Path],
        accelerator: str = "auto",
        own_modules: bool = False,
        max_pairs: int | None = None,
    ) -> None:
        usage = "predict RUN ... INPUT -o OUT.csv"
        self.folders = [place.folder for place in find_runs(places, "runs", usage)]
        for folder in self.folders:
            if not (folder / WEIGHTS).is_file():
                raise refuse("runs", folder, f"this run trained no student ({WEIGHTS} is missing). Leave it out.")
        device = choose_device(accelerator)
        self.members: list[Predictor] = [load(folder, own_modules, device) for folder in self.folders]
        for member in self.members:
            member.max_pairs = max_pairs or member.max_pairs
        self.device = device
        self._check_agreement()
        self.calibration: Calibration | FoldCalibration | None = None
        self._groups: list[list[int]] = []

    @property
    def spec(self) -> TaskSpec:
        """The task of the first run."""
        return self.members[0].spec

    @property
    def table(self) -> PredictionTable:
        """The columns of its predictions."""
        return self.members[0].table

    def answer(self, entries: Sequence[object]) -> Rows:
        """What the runs say of these inputs; an input that one of them cannot predict has an error."""
        answers = self._answers(entries)
        errors: dict[int, str] = {}
        unseen: dict[int, list[str]] = {}
        for answer in answers:
            errors = {**answer.errors, **errors}
            for position, what in answer.warnings.items():
                unseen[position] = list(dict.fromkeys([*unseen.get(position, []), *what]))
        rows = dict(zip(answers[0].positions, answers[0].rows, strict=True))
        rows = {position: count for position, count in rows.items() if position not in errors}
        said = torch.stack([answer.of(rows).double() for answer in answers]).numpy()
        spread = said.std(axis=0, ddof=1) if len(answers) > 1 else None
        return Rows(said.mean(axis=0), said, spread, rows, errors, unseen)

    def _answers(self, entries: Sequence[object]) -> list[Answers]:
        """Each member's answers; graphs are prepared once for all that do so alike, SMILES read once per coding."""
        read: dict[tuple[str | None, str, str], list[object]] = {}
        ready: list[tuple[Predictor, Inputs]] = []
        answers = []
        for member in self.members:
            inputs = next((inputs for other, inputs in ready if other.prepares_as(member)), None)
            if inputs is not None:
                answers.append(member.answer(entries, inputs))
                continue
            pipeline = member.pipeline
            coding = (pipeline.smiles, pipeline.chirality, pipeline.standardise)
            if len(self.members) > 1 and pipeline.smiles is not None and coding not in read:
                # What cannot be read stays a text, for which each member gives the reason.
                molecules = [pipeline.read_smiles(entry) if isinstance(entry, str) else None for entry in entries]
                read[coding] = [entry if data is None else data for entry, data in zip(entries, molecules, strict=True)]
            given = read.get(coding, entries)
            ready.append((member, member.prepared(given)))
            answers.append(member.answer(given, ready[-1][1]))
        return answers

    def calibrate(self, coverage: float) -> None:
        """Take the thresholds of regions from what the runs kept of their validation part, of folds of their test part.

        Raises:
            UserError: at node level; if runs have other data and are no folds; if they kept nothing; if labels are too
                few.
        """
        if self.spec.level == "node":
            raise refuse("coverage", coverage, "labels of nodes that share a graph are not exchangeable. Leave it out.")
        data = [read_summary(folder).get("data") for folder in self.folders]
        self._groups = groups_of(data)
        if len(self._groups) > 1 and are_folds(self.folders):
            folds = read_folds(self.folders, self._groups, self.spec)
            self.calibration = calibrate_folds(self.spec, folds, coverage)
            return
        if other := next((place for place, known in enumerate(data) if known != data[0]), None):
            raise UserError(
                f"coverage={coverage}: {self.folders[0]} and {self.folders[other]} have other data or another split: "
                "one may have trained on what calibrates the other. Choose runs that differ in their seeds alone."
            )
        kept = [read_part(folder, self.spec) for folder in self.folders]
        self.calibration = calibrate(self.spec, *_mean(kept), coverage)

    def describe_calibration(self, coverage: float) -> str:
        """What coverage is calibrated on, and what makes it less."""
        each = " for each target" if self.spec.num_targets > 1 else ""
        least = "at least " if self.spec.num_targets > 1 else ""
        labels = f"Coverage {coverage:g} is calibrated on {least}{self.calibration.labels}"
        if isinstance(self.calibration, FoldCalibration):
            return (
                f"{labels} labels of test folds{each}, each by the models of its own fold (CV+); what is sure is "
                f"{max(2 * coverage - 1, 0):g}. New inputs may be unlike them: the true coverage may be lower."
            )
        return (
            f"{labels} validation labels{each}. The validation part also chose the epoch, and new inputs may be unlike "
            "it: the true coverage may be lower."
        )

    def region(self, rows: Rows) -> Region | None:
        """Where the truth is likely to lie; None without a calibration."""
        if self.calibration is None:
            return None
        values = rows.values
        if isinstance(self.calibration, FoldCalibration):
            folds = np.stack([rows.each[group].mean(axis=0) for group in self._groups])
            if self.spec.kind == "regression":
                return Region(*fold_intervals(self.calibration, folds))
            return Region(members=fold_sets(self.spec, self.calibration, folds))
        if self.spec.kind == "regression":
            return Region(*intervals(self.calibration, values))
        return Region(members=class_sets(self.spec, self.calibration, values))

    def _check_agreement(self) -> None:
        for folder, member in zip(self.folders, self.members, strict=True):
            for name in AGREED:
                ours, theirs = getattr(self.spec, name), getattr(member.spec, name)
                if ours != theirs:
                    raise UserError(
                        f"{self.folders[0]} and {folder} do not predict the same: {name.replace('_', ' ')} "
                        f"{_shown(ours)} and {_shown(theirs)}. Predict with them one by one."
                    )


def choose_device(accelerator: str) -> torch.device:
    """The device that a choice means; auto: a GPU if there is one. Raises UserError if it is not here."""
    here = [name for name, available in ACCELERATORS.items() if available()]
    if accelerator == "auto":
        return torch.device(here[0] if here else "cpu")
    if accelerator != "cpu" and accelerator not in here:
        choices = ", ".join(["auto", "cpu", *here])
        raise refuse("accelerator", accelerator, f"not available on this machine. Choices here: {choices}.")
    return torch.device(accelerator)


def _mean(kept: Sequence[KeptPart]) -> tuple[np.ndarray, np.ndarray]:
    """Mean outputs of the runs, and the labels, of the same validation examples."""
    first = kept[0]
    if any(other.ids != first.ids for other in kept):
        raise UserError("The runs have other validation examples in their predictions.csv. Repeat the runs.")
    return np.mean([one.outputs for one in kept], axis=0), first.labels


def _shown(value: object) -> str:
    return f"({', '.join(map(str, value))})" if isinstance(value, tuple) else str(value)
