"""Figures inside an HTML page: no further files, no scripts, readable in dark mode too."""

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from gnn_distill.storage.bounded import MOST_IMAGE, read_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rdkit.Chem.Draw.rdMolDraw2D import MolDraw2DSVG

THEME = {"#000000": "currentColor", "#0072b2": "var(--teacher)", "#d55e00": "var(--student)"}
"""Colours of a figure that the page's style sheet replaces."""


def svg(figure: "Figure", alt: str) -> Markup:
    """The figure as an <svg> element that fills its container; texts remain texts, in the page's font.

    Equal figures give equal text. Two figures of a page must differ in `alt`, from which their inner ids are derived.
    """
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": alt}):
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # metadata contain URLs
        figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
    text = buffer.getvalue()
    box = re.search(r'viewBox="[^"]*"', text).group()
    body = text[text.index(">", text.index("<svg")) + 1 :]
    # Ids of groups repeat from figure to figure and are never referred to; clip paths have unique ids.
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub("|".join(rf"(?<=: ){colour}\b" for colour in THEME), lambda found: THEME[found.group()], body)
    width = float(box.split()[-2])  # in points; small enough to keep texts readable, and never blown up
    style = f"min-width: {0.85 * width:.0f}px; max-width: {1.5 * width:.0f}px"
    return Markup(f'<svg {box} style="{style}" role="img" aria-label="{escape(alt)}" fill="currentColor">{body}')


def molecule_svg(canvas: "MolDraw2DSVG", alt: str, marks: str = "") -> Markup:
    """What RDKit has drawn on a canvas as an <svg> element that fills its container; marks: elements on top of it."""
    canvas.FinishDrawing()
    text = canvas.GetDrawingText()
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    body = re.sub(r"<!--.*?-->|\sclass='[^']*'", "", body, flags=re.DOTALL)
    return framed(re.sub(r">\s+<", "><", body) + marks, canvas.Width(), canvas.Height(), alt)


def framed(body: str, width: int, height: int, alt: str) -> Markup:
    """Elements as one <svg> element of this size."""
    return Markup(f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(alt)}">{body}</svg>')


def png(path: Path) -> Markup:
    """An image as a data URL."""
    return Markup("data:image/png;base64,") + base64.b64encode(read_bytes(path, MOST_IMAGE)).decode()
