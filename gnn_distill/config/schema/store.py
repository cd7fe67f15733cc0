"""Config keys of `gnn-distill store`."""

from dataclasses import dataclass, field

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.fields import choice, number, section


@dataclass
class StoreConfig:
    """What to do with the entries of paths.store."""

    action: str = choice("list", "list", "verify", "prune")
    """List the entries, check them against their checksums, or delete them; `gnn-distill store verify` sets it."""
    runs: list[str] = field(default_factory=lambda: ["outputs", "multirun"])
    """Folders with run directories, which tell the entries that runs use."""
    fix: bool = False
    """verify: rename damaged entries, as a run that needs them does."""
    delete: bool = False
    """prune: delete; false: only list what would be deleted."""
    unused: bool = True
    """prune: of intact entries only those that no run directory uses; false: all of them."""
    days: float = number(1.0, low=0)
    """prune: keep intact and unfinished entries that are younger than this number of days."""


@dataclass
class StoreCommand:
    """`gnn-distill store`: list, verify or prune what runs share."""

    store: StoreConfig = section(StoreConfig)
    """The action and its options."""
    paths: PathsConfig = section(PathsConfig)
    """Where the store is."""
