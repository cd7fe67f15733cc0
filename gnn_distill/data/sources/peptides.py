"""Peptides-func: ten functions of peptides, from their molecular graphs (Dwivedi et al. 2022, LRGB)."""

import json
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
    from gnn_distill.config.schema.data import PathsConfig, PeptidesConfig

MOLECULES, SPLIT = "peptide_multi_class_dataset.csv.gz", "splits_random_stratified_peptide.pickle"
# URLs and MD5s as in LRGB's code.
PUBLISHED = {
    MOLECULES: (f"https://www.dropbox.com/s/ol2v01usvaxbsr8/{MOLECULES}?dl=1", "701eb743e899f4d793f0e13c8fa5a1b4"),
    SPLIT: (f"https://www.dropbox.com/s/j4zcnx2eipuo0xz/{SPLIT}?dl=1", "5a0114bdadc80b94fc7ae974f13ef061"),
}
FUNCTIONS = (
    *("antifungal", "cell_cell_communication", "anticancer", "drug_delivery_vehicle", "antimicrobial"),
    *("antiviral", "antihypertensive", "antibacterial", "antiparasitic", "toxic"),
)


def load(dataset: "PeptidesConfig", paths: "PathsConfig") -> GraphTask:
    """The 15,535 peptides on their published split, 10,873 / 2,331 / 2,331, with ogb's features, as published."""
    check_split_name(dataset, "auto", "published")
    check_fold(dataset.fold, 1, dataset.name)
    folder = folder_of("peptides", dataset.name)
    graphs, raw = read(
        lambda root: build(Path(root) / "peptides-func", PUBLISHED, pack),
        folder,
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
        kind="multilabel",
        metric="average_precision",
        target_names=FUNCTIONS,
        node_features=ATOM_FEATURES,
        edge_features=BOND_FEATURES,
        molecules=True,
        pipeline=PIPELINE,
    )
    return with_shared_molecules(task, [row["smiles"] for row in read_table(raw / MOLECULES)])


def pack(table: Path) -> PackedGraphs:
    """The molecules of the CSV file, row by row, with their ten labels."""
    return pack_table(table, "Peptides-func", lambda row: json.loads(row["labels"]), len(FUNCTIONS))
