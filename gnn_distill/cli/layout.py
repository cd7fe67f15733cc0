"""Text that fits a terminal: paragraphs, and names in front of what they mean."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from textwrap import wrap

USUAL, WIDEST = 80, 120
"""Columns where there is no terminal; and at most, since longer lines are hard to read."""
LEFT = 0.4
"""Share of the width that names may take; descriptions of longer ones begin on the next line."""


def width() -> int:
    """Columns of the terminal, also where only the input or the errors are one: a pager shows the output."""
    if os.environ.get("COLUMNS", "").isdecimal():
        return min(int(os.environ["COLUMNS"]), WIDEST)
    for stream in (sys.__stdout__, sys.__stderr__, sys.__stdin__):
        with suppress(OSError, ValueError, AttributeError):
            return min(os.get_terminal_size(stream.fileno()).columns or USUAL, WIDEST)
    return USUAL


def heading(text: str) -> str:
    """A line in bold on a terminal that shows it."""
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain else f"\033[1m{text}\033[0m"


def paragraph(text: str, indent: int = 0) -> list[str]:
    """A text in lines; words are never cut."""
    space = " " * indent
    return wrap(
        text,
        width(),
        initial_indent=space,
        subsequent_indent=space,
        break_long_words=False,
        break_on_hyphens=False,
    )


def shell_line(words: str) -> list[str]:
    """A command; where the terminal is narrow, on several lines that a shell joins."""
    lines = wrap(words, width() - 4, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return [*(f"  {line} \\" for line in lines[:-1]), f"  {lines[-1]}"]


def columns(rows: Iterable[Sequence[str]], indent: int = 2) -> Iterator[str]:
    """Pairs of a name and its description, each description in lines of its own column."""
    rows = list(rows)
    most = max(int(LEFT * width()), 16)
    left = max((len(name) for name, _ in rows if len(name) <= most), default=most)
    for name, text in rows:
        lines = [line.strip() for line in paragraph(text, indent + left + 2)]
        first = f"{' ' * indent}{name:<{left}}"
        yield f"{first}  {lines.pop(0)}" if lines and len(name) <= left else first.rstrip()
        yield from (f"{' ' * (indent + left + 2)}{line}" for line in lines)


def block(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Lines under a heading, after an empty line."""
    yield ""
    yield from map(heading, paragraph(title))
    yield from lines
