"""What leaves this machine, on a page or to a tracker, without the locations of files on it."""

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from markupsafe import Markup

from gnn_distill.storage.provenance import LOCATION_SECTIONS

LOCATION_KEYS = tuple(f"{section}." for section in LOCATION_SECTIONS)
"""Keys that say where something is stored, not what a run is: their absolute paths are left out of commands."""
ROOT = Path(__file__).parents[2]
"""The folder of this package, as it appears in tracebacks."""
START = r"(?<![\w.~/-])"
HOMES = re.compile(r"(?<![\w.~-])(?:/(?:home|Users)/|[A-Z]:\\Users\\)[^/\\\s'\":,;]+(?=[/\\])")
"""Homes of other people: a folder may come from another machine."""
INSTALLED = re.compile(rf"{START}(?:/[\w.@+-]+)+/site-packages/")
ABSOLUTE = re.compile(r"(?<![\w.…~$/:)\]-])(?:/[^\s'\":,;/<>()]+){2,}")
"""A path of two names or more. The slashes of URLs and of SMILES follow letters and brackets."""


class Verbatim(str):
    """A text that a page shows unchanged, such as a command to copy."""


def for_page(value: Any) -> Any:
    """A value for a template, before it is escaped, with the paths in texts shortened."""
    return shortened(value) if isinstance(value, str) and not isinstance(value, Markup | Verbatim) else value


def shortened(text: str) -> str:
    """`text` with paths as one would publish them.

    Below the working folder they become relative, below a home they start with ~; others keep their last name: `…/x`.
    """
    text = INSTALLED.sub("", text)
    for place, short in ((os.getcwd(), "."), (str(ROOT), "."), (str(Path.home()), "~")):
        if len(place) > 1:
            text = re.sub(rf"{START}{re.escape(place)}/", "" if short == "." else f"{short}/", text)
            text = re.sub(rf"{START}{re.escape(place)}(?![\w.-])", short, text)
    text = HOMES.sub("~", text)
    return ABSOLUTE.sub(lambda found: f"…/{found.group().rpartition('/')[2]}", text)


def shorten_paths(value: Any) -> Any:
    """Plain containers with the paths in their texts shortened."""
    if isinstance(value, dict):
        return {key: shorten_paths(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shorten_paths(item) for item in value]
    return shortened(value) if isinstance(value, str) else value


def command(words: Iterable[str]) -> Verbatim:
    """A command line to copy: as typed, with $HOME for homes, without the keys that say where something is stored."""
    return Verbatim(" ".join(_quoted(word) for word in words if not _holds_place(word)))


def _holds_place(word: str) -> bool:
    key, _, value = word.lstrip("+~").partition("=")
    return key.startswith(LOCATION_KEYS) and value.strip("'\"").startswith("/")


def _quoted(word: str) -> str:
    """A word quoted for a shell, relative below the working folder."""
    word = re.sub(rf"{START}{re.escape(os.getcwd())}/", "", word)
    return '"$HOME"'.join(shlex.quote(part) if part else "" for part in _around_homes(word)) or "''"


def _around_homes(word: str) -> Iterator[str]:
    """The parts of a word before, between and after homes."""
    own = re.escape(str(Path.home()))
    yield from re.split(rf"{START}{own}(?=/)|{HOMES.pattern}" if own != "/" else HOMES.pattern, word)
