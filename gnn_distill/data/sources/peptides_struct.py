"""Peptides-struct: eleven properties of the 3D shape of peptides, from their molecular graphs (Dwivedi et al. 2022)."""

from typing import TYPE_CHECKING

from gnn_distill.data.reading.peptide_files import load_peptides
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
    return load_peptides(
        dataset, paths, PUBLISHED, lambda row: [float(row[name]) for name in PROPERTIES],
        kind="regression", metric="mae", target_names=PROPERTIES,
    )  # fmt: skip
