"""Config keys of training and tracking, and the whole of each command's config."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from gnn_distill.config.schema.data import DatasetConfig, PathsConfig, TaskConfig
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.fields import choice, number, positive, section
from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.config.schema.teacher import TeacherConfig


@dataclass
class OptimConfig:
    """AdamW and its schedule."""

    lr: float = positive(1e-3)
    """Peak learning rate."""
    weight_decay: float = number(0.0, low=0.0)
    """Decoupled weight decay, on matrices only."""
    schedule: str = choice("cosine", "cosine", "linear", "constant")
    """Fall of the learning rate to zero after the warm-up."""
    warmup: float = number(0.05, low=0.0, high=1.0)
    """Share of the steps over which the rate rises from zero."""
    clip: float = number(1.0, low=0.0)
    """Largest gradient norm; 0: no clipping."""


@dataclass
class TrainerConfig:
    """The training loop."""

    max_epochs: int = number(100, low=1)
    """Epochs of the student."""
    batch_size: int = number(64, low=1)
    """Graphs a batch."""
    batch_nodes: int = number(0, low=0)
    """Node level: nodes a batch, for students that gain by it (nagphormer); 0: all in every step."""
    max_pairs: int = number(4_000_000, low=1)
    """Memory budget: most padded node pairs (graphs x nodes^2) in a batch; larger batches are cut."""
    patience: int = number(0, low=0)
    """Stop after so many epochs without a better validation metric; 0: never."""
    accelerator: str = choice("auto", "auto", "cpu", "cuda", "mps")
    """Device to train on."""
    precision: str = choice("32-true", "32-true", "bf16-mixed", "16-mixed")
    """Number format, as Lightning Fabric names it."""
    nonfinite: str = choice("stop", "stop", "skip")
    """A step whose loss or gradient is not finite ends the run, or is left out and counted (train/skipped)."""
    out_of_memory: str = choice("halve", "halve", "stop")
    """The student, where a GPU's memory runs out: goes on with batches of half the size, or ends. Tables end."""
    threads: int | None = number(None, low=1)
    """CPU threads; null: OMP_NUM_THREADS where that is set, else one for each CPU that the process may use."""
    test: bool = True
    """Read the test split at the end; false while tuning."""


@dataclass
class PretrainConfig:
    """Stage 1: fitting the teacher."""

    max_epochs: int = number(100, low=1)
    """Epochs of the teacher, however long its student trains."""
    batch_size: int = number(64, low=1)
    """Graphs a batch."""
    optim: OptimConfig = section(OptimConfig)
    """The teacher's optimizer."""


@dataclass
class SignalsConfig:
    """Stage 2: what is kept of the teacher."""

    on: str = choice("auto", "auto", "train", "all")
    """Node level: nodes of which the student hears the teacher; auto: all that training sees; train: its own only."""
    dtype: str = choice("float32", "float32", "float16")
    """Number format of the node states on disk."""
    layers: str = choice("auto", "auto", "all", "last")
    """Layers whose node states are kept; auto: all when alignment.layers asks for them."""


@dataclass
class TrackerConfig:
    """Where a run is mirrored to; metrics.csv and summary.json are always written."""

    name: str = choice("none", "wandb", "none")
    """Weights & Biases, or nothing."""
    project: str = "gnn-distill"
    """W&B project."""
    entity: str | None = None
    """W&B account or team; null: the default of your login."""
    mode: str = choice("offline", "offline", "online")
    """offline: logged to the run directory, to be synced by hand."""
    group: str | None = None
    """W&B group; null: the experiment's name, or the data set's."""
    tags: list[str] = field(default_factory=list)
    """W&B tags."""


@dataclass
class DebugConfig:
    """Short cuts for trying things out."""

    limit_batches: int = number(0, low=0)
    """Batches an epoch; 0: all."""
    gradients: bool = False
    """Log every term's gradient on the student, in the first step of an epoch: its norm, its cosine with the task's."""


@dataclass
class TrainConfig:
    """`gnn-distill train`: pretrain the teacher, distil the student, evaluate both."""

    dataset: DatasetConfig = MISSING
    """The graphs and their split."""
    task: TaskConfig = section(TaskConfig)
    """How labels become a loss."""
    teacher: TeacherConfig = MISSING
    """The GNN."""
    student: StudentConfig = MISSING
    """The Transformer."""
    encoding: EncodingConfig = section(EncodingConfig)
    """What the student is told about structure."""
    alignment: AlignmentConfig = section(AlignmentConfig)
    """Multi-scale feature alignment."""
    loss: LossConfig = section(LossConfig)
    """The rest of the objective."""
    optim: OptimConfig = section(OptimConfig)
    """The student's optimizer."""
    pretrain: PretrainConfig = section(PretrainConfig)
    """Fitting the teacher."""
    signals: SignalsConfig = section(SignalsConfig)
    """What is kept of the teacher."""
    trainer: TrainerConfig = section(TrainerConfig)
    """The training loop."""
    tracker: TrackerConfig = section(TrackerConfig)
    """Where the run is mirrored to."""
    paths: PathsConfig = section(PathsConfig)
    """Where files are read and written."""
    debug: DebugConfig = section(DebugConfig)
    """Short cuts for trying things out."""
    experiment: str | None = None
    """Name of the experiment file, for grouping."""
    seed: int = number(0, low=0, high=2**32 - 1)
    """Initialisation and order of the batches; never the split."""


@dataclass
class DatasetsConfig:
    """`gnn-distill datasets`: list what can be chosen."""

    paths: PathsConfig = section(PathsConfig)
    """Where files are looked for."""


@dataclass
class ModelsConfig:
    """`gnn-distill models`: list teachers, students and encodings."""
