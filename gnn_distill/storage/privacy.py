"""What leaves this machine, on a page or to a tracker: without the places where its owner keeps things."""

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from markupsafe import Markup

from gnn_distill.storage.provenance import PLACES

PLACE_PREFIXES = tuple(f"{section}." for section in PLACES)
"""Keys that say where something lies, not what a run is: an absolute path of theirs is no part of a command."""
ROOT = Path(__file__).parents[2]
"""Where this package lies, as tracebacks tell it."""
START = r"(?<![\w.~/-])"
HOMES = re.compile(r"(?<![\w.~-])(?:/(?:home|Users)/|[A-Z]:\\Users\\)[^/\\\s'\":,;]+(?=[/\\])")
"""Of people elsewhere: a folder may come from another machine."""
INSTALLED = re.compile(rf"{START}(?:/[\w.@+-]+)+/site-packages/")
ABSOLUTE = re.compile(r"(?<![\w.…~$/:)\]-])(?:/[^\s'\":,;/<>()]+){2,}")
"""A path of two names or more. The slashes of addresses and of SMILES stand behind letters and brackets."""


class Verbatim(str):
    """A text that a page shows as it is, such as a command to copy."""


def for_page(value: Any) -> Any:
    """What a template shows, before it is escaped: paths in texts are shortened."""
    return shortened(value) if isinstance(value, str) and not isinstance(value, Markup | Verbatim) else value


def shortened(text: str) -> str:
    """`text` with paths as one would publish them.

    Below the working folder they are relative, below a home they begin with ~; of others the last name is left: `…/x`.
    """
    text = INSTALLED.sub("", text)
    for place, told in ((os.getcwd(), "."), (str(ROOT), "."), (str(Path.home()), "~")):
        if len(place) > 1:
            text = re.sub(rf"{START}{re.escape(place)}/", "" if told == "." else f"{told}/", text)
            text = re.sub(rf"{START}{re.escape(place)}(?![\w.-])", told, text)
    text = HOMES.sub("~", text)
    return ABSOLUTE.sub(lambda found: f"…/{found.group().rpartition('/')[2]}", text)


def without_places(value: Any) -> Any:
    """Plain containers whose texts are shortened."""
    if isinstance(value, dict):
        return {key: without_places(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_places(item) for item in value]
    return shortened(value) if isinstance(value, str) else value


def command(words: Iterable[str]) -> Verbatim:
    """A command line to copy: what was typed, with $HOME for homes, but for where things lie."""
    return Verbatim(" ".join(_quoted(word) for word in words if not _holds_place(word)))


def _holds_place(word: str) -> bool:
    key, _, value = word.lstrip("+~").partition("=")
    return key.startswith(PLACE_PREFIXES) and value.strip("'\"").startswith("/")


def _quoted(word: str) -> str:
    """The word for a shell, relative below the working folder."""
    word = re.sub(rf"{START}{re.escape(os.getcwd())}/", "", word)
    return '"$HOME"'.join(shlex.quote(part) if part else "" for part in _around_homes(word)) or "''"


def _around_homes(word: str) -> Iterator[str]:
    """What stands before, between and behind homes."""
    own = re.escape(str(Path.home()))
    yield from re.split(rf"{START}{own}(?=/)|{HOMES.pattern}" if own != "/" else HOMES.pattern, word)
