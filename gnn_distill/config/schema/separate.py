"""Config keys of `gnn-distill separate`."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.fields import number, positive, section
from gnn_distill.config.schema.structure_data import PairsConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.config.schema.teacher import TeacherConfig

CATEGORIES = ("basic", "regular", "extension", "cfi", "four_vertex_condition", "distance_regular")
"""Of BREC's pairs, in the order of their numbers."""


@dataclass
class SeparateConfig:
    """Untrained models, on sets whose pairs are all pairs of their graphs: SR25 and graph8c."""

    models: int = number(10, low=1)
    """Number of models with random weights; a pair counts as not told apart if none of them tells it apart."""
    tolerance: float = positive(1e-3)
    """Largest sum of absolute differences between two embeddings that count as the same."""
    outputs: int = number(10, low=1)
    """Width of the embeddings, which are the model's outputs."""
    batch_size: int = number(256, low=1)
    """Graphs per batch."""
    threads: int | None = number(None, low=1)
    """Number of CPU threads; null: OMP_NUM_THREADS if set, else one for each CPU that the process may use."""
    folder: str = "outputs/separate"
    """Folder of the results, each in <data set>_<model>_<hash of the settings>."""


@dataclass
class ComparisonsConfig:
    """BREC's reliable paired comparisons: a training for each pair of graphs, then a test of the difference."""

    categories: list[str] = field(default_factory=lambda: [*CATEGORIES], metadata={"choices": CATEGORIES})
    """Categories of pairs, since the training of all pairs takes long; pairs that are finished are kept."""
    copies: int = number(32, low=3)
    """Number of relabelled copies of each graph, the original among them; must exceed outputs."""
    outputs: int = number(16, low=1)
    """Width of the embeddings, which are the model's outputs."""
    alpha: float = number(0.05, low=1e-12, high=0.5)
    """Level of the F quantile that gives the threshold: 72.34 for 32 copies and 16 outputs."""
    epsilon: float = number(0.0, low=0.0)
    """Added to the variances of the test; 1e-7, where copies of a graph have exactly the same embedding."""
    max_epochs: int = number(20, low=1)
    """Number of epochs for each pair."""
    batch_size: int = number(16, low=2)
    """Graphs per batch, half of them of either graph; must be even."""
    lr: float = positive(1e-4)
    """Learning rate of Adam, which falls where the loss does not."""
    weight_decay: float = number(1e-4, low=0.0)
    """Weight decay of Adam."""
    margin: float = number(0.0, low=-1.0, high=1.0)
    """Cosine similarity of two embeddings up to which the loss is 0."""
    loss_threshold: float = number(0.2, low=0.0)
    """A pair's training ends once the mean loss of an epoch is smaller."""


@dataclass
class SeparateCommand:
    """`gnn-distill separate`: count the pairs of graphs that a model tells apart."""

    dataset: PairsConfig = MISSING
    """The graphs: dataset=sr25, graph8c or brec."""
    teacher: TeacherConfig = MISSING
    """The model, if it is a GNN; else none."""
    student: StudentConfig = MISSING
    """The model, if it is a graph Transformer; else none."""
    encoding: EncodingConfig = section(EncodingConfig)
    """Structural encodings that a student reads."""
    separate: SeparateConfig = section(SeparateConfig)
    """Untrained models on SR25 and graph8c."""
    brec: ComparisonsConfig = section(ComparisonsConfig)
    """Trained models on BREC."""
    paths: PathsConfig = section(PathsConfig)
    """Where files are read and written."""
    seed: int = number(0, low=0, high=2**31 - 1)
    """Seed of the models' weights, and of the training; never of the copies."""
