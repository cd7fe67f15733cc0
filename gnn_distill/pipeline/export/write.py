"""The folder of an exported student: its program, the code that makes its inputs, and how well it agrees."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from gnn_distill.errors import UserError, refuse
from gnn_distill.formatting import counted
from gnn_distill.models.predictor import Predictor
from gnn_distill.pipeline.export import encode
from gnn_distill.pipeline.export.program import (
    check_installed,
    random_graphs,
    traced,
    write_onnx,
    write_pt2,
)
from gnn_distill.pipeline.export.settings import check_exportable, settings_of
from gnn_distill.storage.files import writing

PROGRAMS = {"pt2": write_pt2, "onnx": write_onnx}
"""By format: the function that writes model.FORMAT."""
SETTINGS = "export.json"
TOLERANCE = 1e-4
"""Largest difference, relative to values above one, with which an export is kept."""
CHECKED = {"one node": (1,), "three graphs": (1, 2, 30), "forty graphs": tuple(range(1, 41))}
"""Sizes of the random graphs on which programs are compared; they were traced with others."""
SMILES = (
    *("C", "[Na+].[Cl-]", "CC(=O)Oc1ccccc1C(=O)O", "C[C@H](N)C(=O)O", "F/C=C/F", "O=[N+]([O-])c1ccc2[nH]ccc2c1"),
    *("CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "C#N", "[O-]S(=O)(=O)c1ccccc1.[K+]", "C1CC2CCC1CC2", "CCCCCCCCCCCCCCCCCC(=O)O"),
)
"""Molecules on which the code that reads SMILES is compared."""


def write_program(
    predictor: Predictor, form: str, output: Path, given: Sequence[object] = ()
) -> Iterator[tuple[str, float]]:
    """Write model.FORMAT, export.json and encode/ to a new folder; yields what was compared and the largest difference.

    given: SMILES or graphs to compare on, besides random graphs and some molecules.

    Raises:
        UserError: if the student is no function of flat tensors, packages are missing, or predictions differ.
    """
    if form == "onnx":
        check_installed()
    check_exportable(predictor)
    settings = json.loads(json.dumps(settings_of(predictor)))
    with new_folder(output) as folder:
        (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        shutil.copytree(Path(encode.__file__).parent, folder / "encode", ignore=shutil.ignore_patterns("__pycache__"))
        PROGRAMS[form](traced(predictor, settings), folder / f"model.{form}")
        yield from compared(predictor, settings, encode.load(folder), given)


def compared(
    predictor: Predictor, settings: dict[str, Any], exported: Callable, given: Sequence[object]
) -> Iterator[tuple[str, float]]:
    """What was compared, and max |exported - student| / max(1, |student|). Raises UserError above `TOLERANCE`."""
    sets: dict[str, Sequence[object]] = {
        f"{name} (random)": random_graphs(settings, sizes, seed=len(sizes)) for name, sizes in CHECKED.items()
    }
    if settings["smiles"] is not None:
        sets[f"{len(SMILES)} molecules"] = SMILES
    if given:
        sets[counted(len(given), "given input")] = given
    for name, entries in sets.items():
        answers = predictor.answer([_as_data(entry) for entry in entries])
        expected = answers.values.numpy()
        found = exported([entries[position] for position in answers.positions])
        difference = float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max())
        if not difference <= TOLERANCE:
            raise UserError(f"{name}: the exported program differs by {difference:.1e}, so nothing was written.")
        yield name, difference


@contextmanager
def new_folder(output: Path) -> Iterator[Path]:
    """A folder that appears as `output` once it is complete, in the place of an earlier export."""
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".export-") as temporary:
        folder = Path(temporary) / output.name
        folder.mkdir()
        yield folder
        if output.exists():
            shutil.rmtree(output)
        folder.rename(output)


def check_output(output: Path, overwrite: bool) -> None:
    """Raise UserError unless the output is a new folder, or an earlier export that may be replaced."""
    if output.exists() and not overwrite:
        raise refuse("output", output, "exists already. Choose another name, or set overwrite=true to replace it.")
    if output.exists() and not any((output / name).is_file() for name in (SETTINGS, "model.safetensors")):
        raise refuse("output", output, "is no export, and is left as it is. Choose another name.")


def _as_data(entry: object) -> object:
    """A graph of arrays as PyG's; molecules and others unchanged."""
    if not isinstance(entry, dict):
        return entry
    values = {name: torch.from_numpy(np.array(value)) for name, value in entry.items() if isinstance(value, np.ndarray)}
    return Data(**values, num_nodes=entry["num_nodes"])
