"""Config keys of a results table: its rows, its columns, and which runs fill them."""

from dataclasses import dataclass, field

from gnn_distill.schema.fields import choice


@dataclass
class RowConfig:
    """A method."""

    label: str = ""
    """How the table names it."""
    overrides: list[str] = field(default_factory=list)
    """Its overrides of `train`."""
    role: str = choice("student", "student", "teacher")
    """Whose metric is shown."""
    tuned: str | None = None
    """The method whose tuned settings it takes; null: none."""


@dataclass
class ColumnConfig:
    """A data set, or a setting."""

    label: str = ""
    """How the table names it."""
    overrides: list[str] = field(default_factory=list)
    """Its overrides of `train`."""
    pairs: dict[str, list[int]] = field(default_factory=lambda: {"seed": [0]})
    """Keys that are varied, and their values."""


@dataclass
class SizeConfig:
    """A part of a table."""

    rows: list[str] | None = None
    """Rows kept; null: all."""
    columns: list[str] | None = None
    """Columns kept; null: all."""
    pairs: dict[str, list[int]] | None = None
    """Pairs kept; null: each column's own."""
    overrides: list[str] = field(default_factory=list)
    """Further overrides of `train`."""


@dataclass
class TableConfig:
    """A table of rows and columns."""

    name: str = "table"
    """Its name."""
    rows: dict[str, RowConfig] = field(default_factory=dict)
    """The methods."""
    columns: dict[str, ColumnConfig] = field(default_factory=dict)
    """The data sets or settings."""
    overrides: list[str] = field(default_factory=list)
    """Overrides of `train` for every cell."""
    sizes: dict[str, SizeConfig] = field(default_factory=dict)
    """Parts of the table."""
    size: str = "full"
    """The part that is wanted; full: all of it."""
