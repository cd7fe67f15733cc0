"""Config keys of `gnn-distill explain`."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.fields import choice, number, positive, section


@dataclass
class ExplainCommand:
    """`gnn-distill explain`: the atoms and bonds, nodes and edges, that carry the predictions of a finished run."""

    run: str = MISSING
    """Folder of a run; `gnn-distill explain RUN [INPUT] [-o FOLDER]` sets it."""
    input: str | None = None
    """A .csv with a column of SMILES, a .smi or .txt with one SMILES a line, a .pt of PyG graphs, or a TU folder; null:
    test examples of the run. A run of nodes takes none."""
    nodes: list[int] = field(default_factory=list)
    """Of a run of nodes the numbers of those that are explained, as in predictions.csv; empty: its first test nodes."""
    output: str | None = None
    """Folder of the page and the tables; -o FOLDER sets it. Null: outputs/explain/<name of the run>."""
    method: str = choice("integrated", "integrated", "gradient")
    """Integrated gradients, or gradient × input."""
    target: str | None = None
    """What is explained: a class, or a target where there are several; null: the class that the student predicts, and
    the first target."""
    limit: int = number(20, low=1)
    """Largest number of graphs, or of nodes, the first ones."""
    models: str = choice("both", "both", "student")
    """Teacher and student, for which the run's data are read again, or the student alone."""
    tolerance: float = positive(0.01, high=1.0)
    """Error of completeness at which the integral is accurate enough, relative to the larger of f(x) − f(baseline) and
    a tenth of Σ|a|."""
    steps: int = number(2048, low=16)
    """Largest number of gradients per graph or node, and model."""
    smiles_column: str | None = None
    """Column of SMILES; null: that of the training data, else one named like it, else the only one that parses."""
    overwrite: bool = False
    """Replace the files in the output folder if they exist."""
    threads: int | None = number(None, low=1)
    """Number of CPU threads; null: OMP_NUM_THREADS if set, else one for each CPU that the process may use."""
    own_modules: bool = False
    """Import modules of your own that the run names, which executes them."""
    paths: PathsConfig = section(PathsConfig)
    """Where the run's data are read."""
