"""Config keys of `gnn-distill report`."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from gnn_distill.config.schema.fields import choice, section


@dataclass
class FiguresConfig:
    """How figures are written beside a page."""

    figures: str = choice("png", "png", "svg", "pdf")
    """svg, pdf: write every figure of the page to figures/, too, text as text; png: only the usual images."""


@dataclass
class ReportConfig(FiguresConfig):
    """What is reported, and how a sweep is plotted."""

    path: str = MISSING
    """Folder of a run, a table or a sweep; `gnn-distill report FOLDER` sets it."""
    beside: list[str] = field(default_factory=list)
    """Folders of further runs, shown side by side with that of report.path; `gnn-distill report A B ...` sets it."""
    output: str | None = None
    """HTML file to write; null: report.html in that folder, of several runs runs.html in the current one."""
    metric: str | None = None
    """Sweep: metric to plot; null: the data set's primary metric."""
    x: str | None = None
    """Sweep: key on the horizontal axis, such as loss.weights.micro; null: the one with most values, without seeds."""
    y: str | None = None
    """Sweep: key on the vertical axis; null: the one with the next most values."""


@dataclass
class ReportCommand:
    """`gnn-distill report`: write a page about a run, a table or a sweep."""

    report: ReportConfig = section(ReportConfig)
    """The page."""
