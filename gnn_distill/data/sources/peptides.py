"""Peptides-func: ten functions of peptides, from their molecular graphs (Dwivedi et al. 2022, LRGB)."""

import json
from typing import TYPE_CHECKING

from gnn_distill.data.reading.peptide_files import load_peptides
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
    return load_peptides(
        dataset, paths, PUBLISHED, lambda row: json.loads(row["labels"]),
        kind="multilabel", metric="average_precision", target_names=FUNCTIONS,
    )  # fmt: skip
