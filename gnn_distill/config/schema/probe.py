"""Config keys of `gnn-distill probe`, and of probing at the end of a run."""

from dataclasses import dataclass, field

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.fields import choice, number, section
from gnn_distill.config.schema.report import FiguresConfig


@dataclass
class ProbeSettings:
    """What is asked of the states of finished models."""

    hops: int = number(10, low=1, high=60)
    """Largest distance of typed shells: nodes of each type at exactly k hops."""
    local: list[int] = field(default_factory=lambda: [1, 2])
    """First and last hop of the local range."""
    far: list[int] = field(default_factory=lambda: [5, 8])
    """First and last hop of the far range."""
    types: int = number(4, low=1)
    """Number of node types that targets count, the commonest ones."""
    folds: int = number(5, low=3)
    """Number of folds of graphs: the probe of a fold is fitted to the others."""
    untrained: int = number(5, low=0)
    """Number of untrained twins of the student and of the teacher, the floor of what is learned."""
    graphs: int = number(1000, low=10)
    """Largest number of graphs, of the validation and test part."""
    nodes: int = number(50_000, low=10)
    """Largest number of their nodes."""
    pairs: int = number(200, low=0)
    """Largest number of pairs of nodes per graph; 0: none."""
    resamples: int = number(2000, low=100)
    """Number of resamples of graphs, for intervals within a run."""
    seed: int = number(0, low=0)
    """Seed of the choice of graphs, folds, pairs and resamples."""
    layers: str = choice("each", "each", "all", "last")
    """Node states that are probed: of the last layer; all: also of all layers joined; each: also of every layer."""
    mdl: bool = False
    """Also measure description length: bits per node that states save (Voita & Titov 2020)."""


@dataclass
class ExamineSettings(ProbeSettings):
    """What is asked of finished models: of their states, and what reaches these from where."""

    profiles: bool = True
    """Also write influence, attention and errors by distance."""
    profile_graphs: int = number(128, low=2)
    """Largest number of graphs for influence and attention, among those of probes."""
    samples: int = number(8, low=1)
    """Number of random vectors per graph for the influence on the last layer: so many backward passes per batch."""
    roots: int = number(32, low=2)
    """Number of nodes of a single large graph whose influence and attention are taken."""
    exact: bool = False
    """Take the full Jacobian instead of its estimate: as many backward passes as channels."""


PROFILE_KEYS = ("hops", "far", "profile_graphs", "samples", "roots", "exact", "resamples", "seed")
"""The keys that determine profiles."""


@dataclass
class ProbeConfig(ExamineSettings):
    """`probe` in a run."""

    at_end: bool = False
    """Probe the models at the end of the run."""
    profiles_at_end: bool = False
    """Write influence, attention and errors by distance at the end of the run, which takes seconds, without probes."""


@dataclass
class ExamineFoundConfig(ExamineSettings):
    """`probe` in `gnn-distill table`, and of all runs that are found in folders."""

    own_modules: bool = False
    """Import modules of your own that the runs name, which executes them."""


@dataclass
class ProbeRunsConfig(ExamineFoundConfig):
    """`probe` in `gnn-distill probe`."""

    runs: list[str] = field(default_factory=list)
    """Folders of runs, of tables and of sweeps; `gnn-distill probe FOLDER ...` sets it."""
    name: str | None = None
    """Name of the folder for results of several runs; null: date and time."""
    output: str = "outputs/probe"
    """Where that folder is made."""


@dataclass
class ProbeCommand:
    """`gnn-distill probe`: what the models of finished runs know of structure."""

    probe: ProbeRunsConfig = section(ProbeRunsConfig)
    """The runs, and what is asked."""
    report: FiguresConfig = section(FiguresConfig)
    """Its page."""
    paths: PathsConfig = section(PathsConfig)
    """Where their data are read, and the store."""
