"""A table in the terminal and as Markdown, LaTeX, CSV and JSON text."""

import json
import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING

from gnn_distill.errors import printable
from gnn_distill.results import spreadsheets
from gnn_distill.results.grids import Entry, Grid, describe_columns, grids
from gnn_distill.results.tables import Table

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table as RichTable

SPACES = re.compile(r"\s+")
MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$&])")
LATEX_SPECIAL = {
    **{ord(sign): rf"\{sign}" for sign in "#$%&_{}"},
    # In braces, as a row may start with them: after \\ they would be read as its arguments.
    **{ord(sign): f"{{{sign}}}" for sign in "[]*"},
    ord("\\"): r"\textbackslash{}",
    ord("~"): r"\textasciitilde{}",
    ord("^"): r"\textasciicircum{}",
    ord("<"): r"\textless{}",
    ord(">"): r"\textgreater{}",
    ord("|"): r"\textbar{}",
    ord('"'): "''",
    **{
        ord(sign): f"${command}$"
        for sign, command in {
            "±": r"\pm", "×": r"\times", "·": r"\cdot", "−": "-", "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "∞": r"\infty",
            "←": r"\leftarrow", "→": r"\rightarrow", "↑": r"\uparrow", "↓": r"\downarrow",
            "†": r"^{\dagger}", "°": r"^{\circ}", "²": "^2", "³": "^3",
        }.items()
    },
    ord("–"): "--",
    ord("—"): "---",
    ord("’"): "'",
}  # fmt: skip


def to_rich(table: Table) -> "Group":
    """Panels, warnings and footnotes for a rich console."""
    from rich.console import Group
    from rich.text import Text

    shown = [rich_grid(grid) for grid in grids(table)]
    shown += [Text(f"Note: {printable(note)}", "yellow") for note in table.notes]
    return Group(*shown, *(Text(printable(line), "dim") for line in (*describe_columns(table), *table.footnotes)))


def rich_grid(grid: Grid) -> "RichTable":
    """A panel for a rich console."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    styles = {"best": "bold", "second": "underline", "": ""}
    panel = RichTable(
        title=Text(f"\n{printable(grid.title)}"), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )
    for index, head in enumerate(grid.heads):
        panel.add_column(Text("\n".join(map(printable, filter(None, head)))), justify="right" if index else "left")
    for row in grid.rows:
        panel.add_row(
            *(Text.assemble((printable(cell.text), styles[cell.emphasis]), cell.marks, cell.rest) for cell in row)
        )
    return panel


def to_markdown(table: Table) -> str:
    """A section for GitHub: panels, then warnings and footnotes; cells are padded, to be readable as text too."""
    parts = [f"## {markdown(table.title)}"]
    for grid in grids(table):
        if grid.key != "results":
            parts.append(f"### {markdown(grid.title)}")
        parts.append(markdown_grid(grid))
    notes = [*(f"Note: {note}" for note in table.notes), *describe_columns(table), *table.footnotes]
    parts.append("\n".join(f"- {markdown(line)}" for line in notes))
    return "\n\n".join(parts) + "\n"


def to_latex(table: Table) -> str:
    """Floats with booktabs, one per panel; notes and footnotes are below the first."""
    notes = " ".join(latex(line) for line in (*table.notes, *describe_columns(table), *table.footnotes))
    floats = [
        latex_grid(table.name, table.title, grid, notes if grid.key == "results" else "") for grid in grids(table)
    ]
    return "% Needs \\usepackage{booktabs}.\n" + "\n".join(floats)


def to_csv(table: Table) -> str:
    """One line per cell, in original units."""
    return spreadsheets.to_csv(table.frame())


def to_json(table: Table) -> str:
    """The whole table including values by pair; null for unknown values."""
    return json.dumps(table.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Table], str]] = {
    "md": to_markdown,
    "tex": to_latex,
    "csv": to_csv,
    "json": to_json,
}
"""Text of a table by the ending of its file."""


def markdown(text: str) -> str:
    """Text escaped for Markdown."""
    return MARKDOWN_SPECIAL.sub(r"\\\1", printable(SPACES.sub(" ", text)))


def markdown_grid(grid: Grid) -> str:
    """A panel as a table of GitHub's Markdown."""
    wraps = {"best": "**{}**", "second": "<ins>{}</ins>", "": "{}"}  # GitHub removes <u>

    def show(entry: Entry) -> str:
        return wraps[entry.emphasis].format(markdown(entry.text)) + markdown(entry.marks) + entry.rest

    lines = [
        [markdown(", ".join(filter(None, head))) for head in grid.heads],
        *([show(entry) for entry in row] for row in grid.rows),
    ]
    widths = [max(3, *(len(line[index]) for line in lines)) for index in range(len(grid.header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    padded = [
        [line[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))]
        for line in (lines[0], rule, *lines[1:])
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def latex(text: str) -> str:
    """Text escaped for LaTeX; Greek letters become commands, which pdfLaTeX needs."""
    return "".join(_greek(letter) for letter in printable(SPACES.sub(" ", text)).translate(LATEX_SPECIAL))


def _greek(letter: str) -> str:
    case, _, name = unicodedata.name(letter, "").removeprefix("GREEK ").partition(" LETTER ")
    if letter < "Α" or letter > "ω" or not name.isalpha():
        return letter
    return f"$\\{name.lower() if case == 'SMALL' else name.capitalize()}$"


def latex_grid(name: str, title: str, grid: Grid, notes: str) -> str:
    """A panel as a float with booktabs; `results` is the main one, which has no title of its own."""
    wraps = {"best": r"\textbf{%s}", "second": r"\underline{%s}", "": "%s"}

    def show(entry: Entry) -> str:
        marks = latex(entry.marks).replace("{*}", "$^{*}$")
        return wraps[entry.emphasis] % latex(entry.text) + marks + latex(entry.rest)

    label = re.sub(r"[^A-Za-z0-9-]+", "-", name) + ("" if grid.key == "results" else f"-{grid.key}")
    caption = title if grid.key == "results" else f"{title}. {grid.title}"
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{latex(caption)}}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(grid.header) - 1)}}}",
        r"\toprule",
        *(" & ".join(map(latex, line)) + r" \\" for line in zip(*grid.heads, strict=True) if any(line)),
        r"\midrule",
        *(" & ".join(show(entry) for entry in row) + r" \\" for row in grid.rows),
        r"\bottomrule",
        r"\end{tabular}",
        *([r"\par\smallskip", rf"{{\footnotesize {notes}\par}}"] if notes else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
