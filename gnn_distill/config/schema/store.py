"""Config keys of `gnn-distill store`."""

from dataclasses import dataclass, field

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.fields import choice, number, section


@dataclass
class StoreConfig:
    """What is done about the entries of paths.store."""

    action: str = choice("list", "list", "verify", "prune")
    """Tell what there is, read all of it against its checksums, or delete; `gnn-distill store verify` sets it."""
    runs: list[str] = field(default_factory=lambda: ["outputs", "multirun"])
    """Folders with run directories: what these use is known by them."""
    fix: bool = False
    """verify: set damaged entries aside, as a run does that needs them."""
    delete: bool = False
    """prune: delete; without it, only tell what would be."""
    unused: bool = True
    """prune: of whole entries only those that no run directory uses; false: all of them."""
    days: float = number(1.0, low=0)
    """prune: leave what is whole, or unfinished, and younger than so many days."""


@dataclass
class StoreCommand:
    """`gnn-distill store`: list, verify or prune what runs share."""

    store: StoreConfig = section(StoreConfig)
    """What is done."""
    paths: PathsConfig = section(PathsConfig)
    """Where the store is."""
