"""Config keys of `gnn-distill runs`."""

from dataclasses import dataclass, field

from gnn_distill.config.schema.fields import number


@dataclass
class RunsCommand:
    """`gnn-distill runs`: list finished runs."""

    places: list[str] = field(default_factory=lambda: ["outputs", "multirun"])
    """Folders that are searched; `gnn-distill runs FOLDER ...` sets it."""
    last: int = number(50, low=0)
    """Number of runs that are shown, the newest; 0: all."""
