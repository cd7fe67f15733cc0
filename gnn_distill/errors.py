"""The one error that a user can cause, helpers for its messages, and warnings that name the user's line."""

import re
import sys
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class UserError(Exception):
    """An error that the user can fix: the message names the key, its value, the choices, and what to do.

    The command line prints the message alone and exits with `exit_code`.
    """

    exit_code = 1


class MissingValue(UserError):
    """A key that always needs a value has none."""


HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories of invisible characters with an effect: control, direction and surrogate characters."""


SUSPECT = re.compile(r"[^\n\t\x20-\x7e]")
"""Characters to check; all others are plain."""


def printable(text: object) -> str:
    """`text` for a terminal: what would move the cursor, change colours or reverse lines is shown as an escape."""
    return SUSPECT.sub(_shown, str(text))


def _shown(found: re.Match) -> str:
    letter = found.group()
    return ascii(letter)[1:-1] if unicodedata.category(letter) in HIDDEN else letter


def shorten(text: str, width: int = 60) -> str:
    """A text, cut to its first `width` characters if it is longer."""
    return text if len(text) <= width else f"{text[:width]}… ({len(text):,} characters)"


@contextmanager
def reading_foreign(path: object, remedy: str) -> Iterator[None]:
    """Read files from elsewhere within it: any exception becomes a UserError that names `path` and the remedy."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a file may hold anything, so anything may happen
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: cannot be read ({type(error).__name__}: {reason}). {remedy}") from error


def suggest(word: object, choices: Iterable[object]) -> str:
    """` Did you mean 'x'?` when one of `choices` is near `word`, else nothing."""
    by_lower = {str(choice).lower(): str(choice) for choice in choices}
    near = get_close_matches(str(word).lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean '{by_lower[near[0]]}'?" if near else ""


def check_name(key: str, name: str, what: str) -> None:
    """Raise UserError unless `name` can be part of a file's name; a path would lead to another folder."""
    if any(mark in name for mark in "/\\") or not name.strip(". ") or printable(name) != name or "\n" in name:
        raise refuse(key, name, f"must be a name, not a path: it becomes part of {what}.")


def refuse(key: str, value: object, why: str) -> UserError:
    """A UserError about a key: `key=value: why`."""
    return UserError(f"{key}={'null' if value is None else value}: {why}")


def warn_caller(message: str) -> None:
    """A UserWarning at the line outside of this package that led to it, however deep in the package it arises."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
