"""The one error a user can cause, and the hint that goes with it."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class UserError(Exception):
    """Something the user can mend: the message names the key, its value, the choices, and what to do.

    The command line prints the message alone and exits with `exit_code`.
    """

    exit_code = 1


HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters that are not seen but act: control characters, marks of direction, half surrogates."""


SUSPECT = re.compile(r"[^\n\t\x20-\x7e]")
"""Others are plain."""


def printable(text: object) -> str:
    """`text` for a terminal: what would move its cursor, colour it or turn lines around is shown as an escape."""
    return SUSPECT.sub(_shown, str(text))


def _shown(found: re.Match) -> str:
    letter = found.group()
    return ascii(letter)[1:-1] if unicodedata.category(letter) in HIDDEN else letter


def shorten(text: str, width: int = 60) -> str:
    """The beginning of a long text."""
    return text if len(text) <= width else f"{text[:width]}… ({len(text):,} characters)"


@contextmanager
def reading_foreign(of: object, remedy: str) -> Iterator[None]:
    """Within it files of others are read: whatever goes wrong becomes a UserError that names them."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a file may hold anything, so anything may happen
        told = " ".join(str(error).split())[:200]
        raise UserError(f"{of}: cannot be understood ({type(error).__name__}: {told}). {remedy}") from error


def suggest(word: object, choices: Iterable[object]) -> str:
    """` Did you mean 'x'?` when one of `choices` is near `word`, else nothing."""
    by_lower = {str(choice).lower(): str(choice) for choice in choices}
    near = get_close_matches(str(word).lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean '{by_lower[near[0]]}'?" if near else ""


def check_name(key: str, name: str, what: str) -> None:
    """Raise UserError unless `name` can be part of a file's name, and of nothing more: a path would lead elsewhere."""
    if any(mark in name for mark in "/\\") or not name.strip(". ") or printable(name) != name or "\n" in name:
        raise refuse(key, name, f"must be a name, not a path: it becomes part of {what}.")


def refuse(key: str, value: object, why: str) -> UserError:
    """The error of a key: `key=value: why`."""
    return UserError(f"{key}={'null' if value is None else value}: {why}")
