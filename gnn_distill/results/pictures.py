"""Figures of a page with their captions, and the same figures as files of their own."""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from gnn_distill.results.inline import svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = "figures"
"""The folder of such files."""
PNG = "png"
"""The format of the few files that runs, tables and sweeps have anyway."""
DPI = 150


@dataclass(frozen=True)
class Picture:
    """A figure, what it shows in few words, unique on its page, and its caption."""

    alt: str
    figure: "Figure"
    caption: str = ""

    @property
    def svg(self) -> Markup:
        """The figure as a part of the page."""
        return svg(self.figure, self.alt)

    @property
    def name(self) -> str:
        """Of its file, without ending: `loss_of_the_teacher`."""
        return re.sub(r"[^A-Za-z0-9]+", "_", self.alt).strip("_")


def pictures_of(variables: Any) -> Iterator[Picture]:
    """The pictures among the variables of a page, however deep in lists and sections they are."""
    if isinstance(variables, Picture):
        yield variables
    elif isinstance(variables, Mapping):
        yield from pictures_of([*variables.values()])
    elif isinstance(variables, list | tuple):
        for value in variables:
            yield from pictures_of(value)


def write_pictures(variables: Mapping[str, Any], folder: Path, kind: str) -> list[Path]:
    """Write all figures of a page to folder/figures as files of this kind, named after what they show; their paths."""
    by_name: dict[str, Picture] = {}
    for picture in pictures_of(variables):
        name, number = picture.name, 2
        while name in by_name:  # names of columns may differ in signs alone
            name, number = f"{picture.name}_{number}", number + 1
        by_name[name] = picture
    return [save(picture.figure, folder / FIGURES / f"{name}.{kind}") for name, picture in by_name.items()]


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure as PNG, SVG or PDF, after the ending of its path.

    Text stays text: an SVG names its font, a PDF embeds it as TrueType. Equal figures give equal files.
    """
    from matplotlib import rc_context

    no_date = {"svg": "Date", "pdf": "CreationDate"}.get(path.suffix[1:])
    path.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every glyph
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem, "pdf.fonttype": 42}):
        figure.savefig(path, dpi=DPI, metadata={no_date: None} if no_date else None)
    return path
