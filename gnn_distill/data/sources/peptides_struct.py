"""Peptides-struct: eleven properties of the 3D shape of peptides, from their molecular graphs (Dwivedi et al. 2022)."""

from pathlib import Path
from typing import TYPE_CHECKING

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.molecule_overlap import with_shared_molecules
from gnn_distill.data.assembly.molecules_ogb import ATOM_FEATURES, BOND_FEATURES
from gnn_distill.data.assembly.splits import check_fold, check_split_name, to_splits
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.mirror import folder_of, read
from gnn_distill.data.reading.peptide_files import CODE, PIPELINE, build, pack_table, read_table
from gnn_distill.data.reading.pickles import read_pickle
from gnn_distill.data.task import GraphTask

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig
    from gnn_distill.config.schema.structure_data import PeptidesStructConfig

MOLECULES = "peptide_structure_normalized_dataset.csv.gz"
SPLIT = "splits_random_stratified_peptide_structure.pickle"
# URLs and MD5s as in LRGB's code.
PUBLISHED = {
    MOLECULES: (f"https://www.dropbox.com/s/0d4aalmq4b4e2nh/{MOLECULES}?dl=1", "c240c1c15466b5c907c63e180fa8aa89"),
    SPLIT: (f"https://www.dropbox.com/s/9dfifzft1hqgow6/{SPLIT}?dl=1", "5a0114bdadc80b94fc7ae974f13ef061"),
}
PROPERTIES = (
    *("Inertia_mass_a", "Inertia_mass_b", "Inertia_mass_c"),
    *("Inertia_valence_a", "Inertia_valence_b", "Inertia_valence_c"),
    *("length_a", "length_b", "length_c", "Spherocity", "Plane_best_fit"),
)


def load(dataset: "PeptidesStructConfig", paths: "PathsConfig") -> GraphTask:
    """The 15,535 peptides of Peptides-func, on the same split; MAE is the mean over the targets, as published.

    The published targets are standardised over all peptides, test part included, and are used as they are.
    """
    check_split_name(dataset, "auto", "published")
    check_fold(dataset.fold, 1, dataset.name)
    graphs, raw = read(
        lambda root: build(Path(root) / "peptides-struct", PUBLISHED, pack),
        folder_of("peptides_struct", dataset.name),
        list(PUBLISHED),
        PUBLISHED[MOLECULES][0],
        paths,
        code=CODE,
    )
    parts = read_pickle(raw / SPLIT)
    task = assemble(
        dataset,
        graphs,
        to_splits(parts["train"], parts["val"], parts["test"], kind="published"),
        kind="regression",
        metric="mae",
        target_names=PROPERTIES,
        node_features=ATOM_FEATURES,
        edge_features=BOND_FEATURES,
        molecules=True,
        pipeline=PIPELINE,
    )
    return with_shared_molecules(task, [row["smiles"] for row in read_table(raw / MOLECULES)])


def pack(table: Path) -> PackedGraphs:
    """The molecules of the CSV file, row by row, with their eleven targets."""
    return pack_table(table, "Peptides-struct", lambda row: [float(row[name]) for name in PROPERTIES], len(PROPERTIES))
