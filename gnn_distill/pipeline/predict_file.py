"""From a file of inputs to a file of predictions, chunk by chunk: what cannot be read is answered in its own row."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from gnn_distill.analysis.nearest import TrainingMolecules
from gnn_distill.data.assembly.molecule_overlap import MoleculeTask
from gnn_distill.data.reading.columns import NUMBER
from gnn_distill.data.reading.graph_files import read_saved_graphs, read_tu_folder
from gnn_distill.data.reading.smiles_files import CsvFile, Line, LinesFile
from gnn_distill.data.reading.tu_files import TUCoding
from gnn_distill.errors import UserError, printable, refuse
from gnn_distill.models.prediction_table import ERROR, WARNING, check_columns, warned
from gnn_distill.pipeline.student_ensemble import Ensemble
from gnn_distill.results.spreadsheets import marked
from gnn_distill.storage.files import atomic_path

KINDS = (
    "a .csv with a column of SMILES, a .smi or .txt with one SMILES a line, a .pt with a list of PyG graphs, or a "
    "folder of NAME_A.txt, NAME_graph_indicator.txt, …"
)
DIGITS = ".9g"
NEAREST = "nearest_distance"


@dataclass(frozen=True)
class Source:
    """Inputs in their order, with the cells that the output keeps."""

    columns: list[str]
    lines: Iterable[Line]
    total: int
    """What `Line.done` counts up to."""
    smiles: bool
    """Whether the inputs are SMILES; else graphs."""


@dataclass
class Counts:
    """How many inputs were read, could not be predicted, and hold what no training graph held."""

    inputs: int = 0
    errors: int = 0
    warnings: int = 0


def open_source(path: Path, ensemble: Ensemble, smiles_column: str | None, say: Callable[[str], None]) -> Source:
    """The inputs of a file or folder. `say` receives what the user should know.

    Raises:
        UserError: if it does not exist, is of another kind, or the runs cannot read such inputs.
    """
    if not path.exists():
        raise refuse("input", path, f"no such file or folder. Give {KINDS}.")
    ending = path.suffix.lower()
    if path.is_dir():
        return _graphs(read_tu_folder(path, _tu_coding(ensemble, say)), first=1)
    if ending == ".pt":
        return _graphs(read_saved_graphs(path), first=0)
    if ending not in (".csv", ".smi", ".txt") or not path.is_file():
        raise refuse("input", path, f"files of this kind are not read. Give {KINDS}.")
    if ensemble.members[0].pipeline.smiles is None:
        raise refuse(
            "input",
            path,
            f"the runs were trained on {ensemble.spec.name}, not on molecules, and read graphs with its features: a "
            ".pt with a list of PyG graphs, or a folder of NAME_A.txt, NAME_graph_indicator.txt, …",
        )
    if ending != ".csv" and smiles_column is not None:
        raise refuse("smiles_column", smiles_column, f"{path.name} has no columns. Leave it out.")

    def find(names: list[str], rows: list[list[object]]) -> int:
        try:
            place, notice = ensemble.table.find_smiles(names, rows, smiles_column)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        if notice:
            say(notice)
        return place

    lines = CsvFile(path, find) if ending == ".csv" else LinesFile(path)
    return Source(lines.columns, lines, path.stat().st_size, smiles=True)


def predict_file(
    ensemble: Ensemble,
    source: Source,
    output: Path,
    chunk_size: int,
    nearest: TrainingMolecules | None = None,
    update: Callable[[int, int], None] = lambda done, total: None,
) -> Counts:
    """Write a row for each input, at node level for each node of it, in their order; returns their counts.

    A row has the input's own columns, what is predicted, `error` and `warning`. The file appears under its name once it
    is complete. `update(done, total)` is called after every chunk.

    Raises:
        UserError: if the input has columns that the output adds, or the output cannot be written.
    """
    node_level = ensemble.spec.level == "node"
    own = [*source.columns, *(["node"] if node_level else [])]
    added = ensemble.table.header(len(ensemble.members) > 1, ensemble.calibration is not None)
    added = [*added, *([] if nearest is None else [NEAREST])]
    check_columns(own, added)
    counts, lines = Counts(), iter(source.lines)
    with atomic_path(output) as temporary, open(
        temporary, "w", encoding="utf-8", errors="surrogateescape", newline=""
    ) as file:  # fmt: skip
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*own, *(marked(name) for name in added), ERROR, WARNING])
        while chunk := list(islice(lines, chunk_size)):
            writer.writerows(_rows(ensemble, chunk, len(added), nearest, counts))
            update(chunk[-1].done, source.total)
        if not counts.inputs:
            raise UserError("There is nothing to predict: the input has no rows.")
        file.flush()
    return counts


def check_output(output: Path, path: Path, overwrite: bool) -> None:
    """Raise UserError unless the output is a new CSV file, or may be replaced, and is not the input."""
    if output.suffix.lower() != ".csv":
        raise refuse("output", output, "predictions are written as CSV. Choose a name that ends in .csv.")
    if not output.parent.is_dir():
        raise refuse("output", output, "its folder does not exist. Make it, or choose another.")
    if output.exists() and path.exists() and os.path.samefile(output, path):
        raise refuse("output", output, "this is the input. Choose another name.")
    if os.path.lexists(output) and not overwrite:
        raise refuse("output", output, "exists already. Choose another name, or set overwrite=true to replace it.")


def training_molecules(tasks: Iterable[Any]) -> TrainingMolecules:
    """The molecules of the training parts of tasks. Raises UserError for one without SMILES."""
    smiles: list[str] = []
    for task in tasks:
        if not isinstance(task, MoleculeTask):
            raise refuse("nearest", "true", f"{task.spec.name} has no SMILES to compare with. Leave it out.")
        smiles += [task.smiles[graph] for graph in task.splits.train.tolist()]
    return TrainingMolecules(smiles)


def _graphs(graphs: list[object], first: int) -> Source:
    """Graphs of a file, by number."""
    lines = (Line([str(number)], graph, number - first + 1) for number, graph in enumerate(graphs, start=first))
    return Source(["graph"], lines, len(graphs), smiles=False)


def _tu_coding(ensemble: Ensemble, say: Callable[[str], None]) -> TUCoding | None:
    """The coding of the runs' training files, by which labels of new files become features."""
    codings = [member.pipeline.tu_files for member in ensemble.members]
    if other := next((place for place, known in enumerate(codings) if known != codings[0]), None):
        raise UserError(
            f"{ensemble.folders[0]} and {ensemble.folders[other]} read files of this kind in different ways. Predict "
            "with them one by one."
        )
    if codings[0] is None:
        say(
            "The runs do not say how labels of such files became features (another source, or an earlier version): "
            "labels are counted from the smallest one here. Check that it is the smallest of the training files, too."
        )
        return None
    return TUCoding(**codings[0])


def _rows(
    ensemble: Ensemble, chunk: list[Line], added: int, nearest: TrainingMolecules | None, counts: Counts
) -> Iterator[list[object]]:
    """The rows of a chunk."""
    answers = ensemble.answer([line.entry for line in chunk])
    standardised = ensemble.members[0].pipeline.standardised
    columns = ensemble.table.cells(answers.values, answers.spread, ensemble.region(answers))
    predicted = zip(*columns, strict=True)
    counts.inputs += len(chunk)
    counts.errors += len(answers.errors)
    counts.warnings += len(answers.warnings.keys() - answers.errors.keys())
    for position, line in enumerate(chunk):
        warning = printable(warned(answers.warnings.get(position, [])))
        if position in answers.errors:
            node = [""] if ensemble.spec.level == "node" else []
            yield [*line.cells, *node, *[""] * added, printable(answers.errors[position]), warning]
            continue
        distance = [] if nearest is None else [_cell(nearest.distance(standardised(line.entry)))]
        for number in range(answers.rows[position]):
            node = [number] if ensemble.spec.level == "node" else []
            yield [*line.cells, *node, *map(_cell, next(predicted)), *distance, "", warning]


def _cell(value: object) -> object:
    if isinstance(value, float):
        return format(value, DIGITS)
    if value is None:
        return ""
    return value if isinstance(value, str) and NUMBER.fullmatch(value) else marked(value)  # the class -1 is no formula
