"""Config keys of `gnn-distill predict`."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.fields import choice, number, positive, section


@dataclass
class PredictCommand:
    """`gnn-distill predict`: predict a file with the students of finished runs."""

    runs: list[str] = field(default_factory=list)
    """Folders of runs and of sweeps; several students are an ensemble. `gnn-distill predict RUN ... INPUT` sets it."""
    input: str = MISSING
    """A .csv with a column of SMILES, a .smi or .txt with one SMILES a line, a .pt of PyG graphs, or a TU folder."""
    output: str = MISSING
    """The CSV file to write; -o OUT.csv sets it."""
    smiles_column: str | None = None
    """Column of SMILES; null: that of the training data, else one named like it, else the only one that parses."""
    coverage: float | None = positive(None, high=0.999)
    """Add intervals, or sets of classes, that hold the truth in this share of cases (conformal); null: none."""
    nearest: bool = False
    """Add the Tanimoto distance to the nearest training molecule, for which the runs' data are read again."""
    overwrite: bool = False
    """Replace the output if it exists."""
    chunk_size: int = number(1000, low=1)
    """Inputs that are read, predicted and written at a time."""
    accelerator: str = choice("auto", "auto", "cpu", "cuda", "mps")
    """Device to predict on; auto: a GPU if there is one."""
    max_pairs: int | None = number(None, low=1)
    """Memory budget, as trainer.max_pairs; larger graphs are answered by an error. Null: as in training."""
    threads: int | None = number(None, low=1)
    """Number of CPU threads; null: OMP_NUM_THREADS if set, else one for each CPU that the process may use."""
    own_modules: bool = False
    """Import modules of your own that the runs name, which executes them."""
    paths: PathsConfig = section(PathsConfig)
    """Where the runs' data are read for nearest=true."""
