"""Molecules of the user's table, drawn by RDKit as inline SVG."""

from collections.abc import Collection
from pathlib import Path

from markupsafe import Markup
from omegaconf import OmegaConf

from gnn_distill.errors import UserError
from gnn_distill.results.inline import molecule_svg
from gnn_distill.results.run_files import Run
from gnn_distill.storage.provenance import file_hash

WIDTH, HEIGHT = 240, 170
MOST_ATOMS = 200
"""Larger molecules cannot be made out, and take long."""


def smiles_of(run: Run, lines: Collection[str]) -> dict[str, str]:
    """The SMILES of lines of the table that a run was trained on; none if it is gone, or is not what it was."""
    table, path = run.summary.get("table"), OmegaConf.select(run.config, "dataset.path")
    if (
        not table
        or not path
        or not lines
        or not Path(path).expanduser().is_file()
        or file_hash(path) != table["sha256"]
    ):
        return {}
    from gnn_distill.data.reading.csv_files import read_table

    try:
        frame, _ = read_table(Path(path).expanduser())
    except UserError:
        return {}
    wanted = frame.loc[[line for line in frame.index if str(line) in lines], table["smiles"]]
    return {str(line): smiles for line, smiles in wanted.items()}


def drawing(smiles: str) -> Markup | None:
    """The molecule on white; None if RDKit cannot draw it."""
    from rdkit import Chem
    from rdkit.Chem.Draw import rdMolDraw2D
    from rdkit.rdBase import BlockLogs

    with BlockLogs():
        rules = Chem.SmilesParserParams()
        rules.allowCXSMILES = rules.parseName = False  # which may hold texts that would be drawn
        molecule = Chem.MolFromSmiles(smiles, rules)
    if molecule is None or not 0 < molecule.GetNumAtoms() <= MOST_ATOMS:
        return None
    canvas = rdMolDraw2D.MolDraw2DSVG(WIDTH, HEIGHT)
    try:
        rdMolDraw2D.PrepareAndDrawMolecule(canvas, molecule)
    except (RuntimeError, ValueError):
        return None
    return molecule_svg(canvas, "molecule")
