"""Config keys of training and tracking, and the whole config of `train`, `datasets` and `models`."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from gnn_distill.config.schema.data import DatasetConfig, PathsConfig, TaskConfig
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.fields import choice, common, number, positive, section
from gnn_distill.config.schema.objective import AlignmentConfig, LossConfig
from gnn_distill.config.schema.probe import ProbeConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.config.schema.teacher import TeacherConfig


@dataclass
class OptimConfig:
    """AdamW and its schedule."""

    lr: float = common(positive(1e-3))
    """Peak learning rate."""
    weight_decay: float = common(number(0.0, low=0.0))
    """Decoupled weight decay, on weight matrices only."""
    schedule: str = choice("cosine", "cosine", "linear", "constant")
    """How the learning rate falls to zero after the warm-up; constant: it does not."""
    warmup: float = number(0.05, low=0.0, high=1.0)
    """Fraction of the steps over which the learning rate rises from zero."""
    clip: float = number(1.0, low=0.0)
    """Largest gradient norm; larger ones are clipped; 0: no clipping."""


@dataclass
class TrainerConfig:
    """The training loop."""

    max_epochs: int = common(number(100, low=1))
    """Number of epochs of the student."""
    batch_size: int = common(number(64, low=1))
    """Graphs per batch."""
    batch_nodes: int = number(0, low=0)
    """One large graph: nodes per batch, with sampler=neighbor, or for students that benefit (nagphormer); 0: all."""
    sampler: str = choice("full", "full", "neighbor", "random", "cluster")
    """How one large graph is read: full: as a whole; neighbor: batch_nodes nodes with sampled neighbours; random: in
    random parts, drawn anew in every epoch; cluster: in parts with few edges between them (METIS)."""
    fanout: list[int] = field(default_factory=lambda: [10, 10], metadata={"low": 1})
    """sampler=neighbor: neighbours that are drawn of a node, for each hop; one number per layer of the teacher."""
    parts: int = number(10, low=1)
    """sampler=random or cluster: number of parts, each of which is a batch."""
    max_pairs: int = number(4_000_000, low=1)
    """Memory budget: largest number of padded node pairs (graphs x nodes^2) per batch; larger batches are split."""
    patience: int = common(number(0, low=0))
    """Number of epochs without a better validation metric after which training stops; 0: never."""
    stop_at: float | None = number(None)
    """Validation metric, in its own units (accuracy: 1.0), at which the student's training stops; null: none."""
    select: str = choice("best", "best", "last", "average")
    """The student that is kept: of the best epoch on validation, of the last epoch, or the mean of the last ones'."""
    average_epochs: int = number(3, low=2)
    """select=average: number of epochs at the end whose weights are averaged."""
    accelerator: str = common(choice("auto", "auto", "cpu", "cuda", "mps"))
    """Device to train on."""
    devices: str = "1"
    """Processes of a run on each machine, with a device and a share of every batch each; auto: one for each GPU."""
    num_nodes: int = number(1, low=1)
    """Machines of a run, on each of which torchrun or srun starts `devices` processes."""
    precision: str = choice("32-true", "32-true", "bf16-mixed", "16-mixed")
    """Number format, as Lightning Fabric names it."""
    compile: bool = False
    """Compile the student (torch.compile): one graph for all shapes of batches; on CPUs it needs a C++ compiler."""
    deterministic: bool = True
    """On GPUs take algorithms whose sums have one order, where PyTorch has them, so that equal runs are equal."""
    nonfinite: str = choice("stop", "stop", "skip")
    """When a step's loss or gradient is not finite: stop the run, or skip the step and count it (train/skipped)."""
    out_of_memory: str = choice("halve", "halve", "stop")
    """When the student runs out of GPU memory: continue with batches of half the size, or stop. Tables stop."""
    threads: int | None = common(number(None, low=1))
    """Number of CPU threads; null: OMP_NUM_THREADS if set, else one for each CPU that the process may use."""
    test: bool = True
    """Evaluate on the test split at the end; false while tuning."""


@dataclass
class PretrainConfig:
    """Stage 1: training the teacher, by a recipe of its own; of teacher.control=self it is the student's."""

    max_epochs: int = common(number(100, low=1))
    """Number of epochs of the teacher, independent of the student's."""
    batch_size: int = number(64, low=1)
    """Graphs per batch."""
    max_pairs: int | None = number(None, low=1)
    """trainer.max_pairs of the teacher, whose memory grows with nodes and edges only; null: as trainer.max_pairs."""
    patience: int | None = number(None, low=0)
    """Number of epochs without a better validation metric after which training stops; null: trainer.patience."""
    select: str = choice("best", "best", "last", "average")
    """The teacher that is kept: of the best epoch on validation, of the last epoch, or the mean of the last ones'."""
    average_epochs: int = number(3, low=2)
    """select=average: number of epochs at the end whose weights are averaged."""
    sampler: str | None = choice(None, "full", "neighbor", "random", "cluster")
    """How the teacher reads one large graph, as trainer.sampler; null: what that says."""
    nonfinite: str | None = choice(None, "stop", "skip")
    """When a step's loss or gradient is not finite, as trainer.nonfinite; null: what that says."""
    optim: OptimConfig = section(OptimConfig)
    """The teacher's optimizer."""


@dataclass
class SignalsConfig:
    """Stage 2: which outputs of the teacher are stored."""

    give: str = choice("nodes", "nodes", "subgraphs", "graphs", "logits")
    """What the teacher gives: nodes: all of it; subgraphs: means of its node states over those of alignment.source,
    graph states and predictions; graphs: graph states and predictions; logits: predictions only."""
    on: str = choice("auto", "auto", "train", "all")
    """Graphs, or nodes, on which the teacher teaches; auto: all that training sees; train: those with a training label;
    all: at graph level those of validation and test, too (inputs only: a transductive run)."""
    dtype: str = choice("float32", "float32", "float16")
    """Number format of the node states, or their means over subgraphs, on disk."""
    layers: str = choice("auto", "auto", "all", "last")
    """Layers whose node states are stored; auto: all if alignment.layers=true, else the last."""


@dataclass
class TrackerConfig:
    """Tracker that mirrors a run; metrics.csv and summary.json are always written."""

    name: str = "none"
    """wandb, tensorboard, mlflow or none; with a dot in it, a module of your own."""
    project: str = "gnn-distill"
    """W&B project, MLflow experiment."""
    entity: str | None = None
    """W&B account or team; null: the default of your login."""
    mode: str = choice("offline", "offline", "online")
    """W&B offline: log to the run directory, to be synced by hand; online: send at once."""
    uri: str | None = None
    """MLflow server or database; null: MLFLOW_TRACKING_URI if set, else sqlite:///outputs/mlflow/mlflow.db."""
    group: str | None = None
    """W&B group, MLflow tag; null: the experiment's name, or the data set's."""
    tags: list[str] = field(default_factory=list)
    """W&B and MLflow tags."""
    artifacts: bool = True
    """Also log predictions.csv, the student's files, and predictions and metrics as tables, where the tracker can."""
    artifact_mb: float = positive(100.0)
    """Size in MiB beyond which a file is left out of artifacts."""
    git: bool = True
    """W&B: record address and commit of the git repository that the working folder is in."""
    system: bool = True
    """W&B: record what the run uses of CPU, memory, disk, network and GPU, and what machine and packages it has."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Settings of a tracker of your own."""


@dataclass
class DebugConfig:
    """Shortcuts for trying things out, and diagnostics."""

    limit_batches: int = number(0, low=0)
    """Number of batches per epoch; 0: all."""
    gradients: bool = False
    """Log every term's gradient on the student in the first step of an epoch: its norm, its cosine with the task's."""


@dataclass
class TrainConfig:
    """`gnn-distill train`: pretrain the teacher, distil the student, evaluate both."""

    dataset: DatasetConfig = MISSING
    """The graphs and their split."""
    task: TaskConfig = section(TaskConfig)
    """How labels enter the loss."""
    teacher: TeacherConfig = MISSING
    """The teacher, a GNN."""
    student: StudentConfig = MISSING
    """The student, a graph Transformer."""
    encoding: EncodingConfig = section(EncodingConfig)
    """Structural encodings that the student reads."""
    alignment: AlignmentConfig = section(AlignmentConfig)
    """Multi-scale feature alignment."""
    loss: LossConfig = section(LossConfig)
    """The objective, except for alignment."""
    optim: OptimConfig = section(OptimConfig)
    """The student's optimizer."""
    pretrain: PretrainConfig = section(PretrainConfig)
    """Stage 1: training the teacher."""
    signals: SignalsConfig = section(SignalsConfig)
    """Stage 2: which outputs of the teacher are stored."""
    trainer: TrainerConfig = section(TrainerConfig)
    """The training loop."""
    tracker: TrackerConfig = section(TrackerConfig)
    """Tracker that mirrors the run."""
    paths: PathsConfig = section(PathsConfig)
    """Where files are read and written."""
    probe: ProbeConfig = section(ProbeConfig)
    """What the finished models are asked of structure, with probe.at_end or probe.profiles_at_end."""
    debug: DebugConfig = section(DebugConfig)
    """Shortcuts for trying things out, and diagnostics."""
    alone: bool = common(False)
    """Also train the same student from labels alone, to show what its teacher gives; no effect where it has none."""
    floors: str = choice("quick", "quick", "none")
    """What costs nothing, for comparison: quick: a random forest, of nodes linear models; none: a constant only."""
    experiment: str | None = None
    """Name of the experiment file, for grouping in the tracker."""
    seed: int = common(number(0, low=0, high=2**32 - 1))
    """Seed of initialisation and batch order; never of the split."""


@dataclass
class DatasetsConfig:
    """`gnn-distill datasets`: list the data sets."""

    paths: PathsConfig = section(PathsConfig)
    """Where files are searched."""


@dataclass
class ModelsConfig:
    """`gnn-distill models`: list teachers, students and encodings."""
