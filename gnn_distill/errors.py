"""The one error a user can cause, and the hint that goes with it."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something the user can mend: the message names the key, its value, the choices, and what to do.

    The command line prints the message alone and exits with `exit_code`.
    """

    exit_code = 1


def suggest(word: object, choices: Iterable[object]) -> str:
    """` Did you mean 'x'?` when one of `choices` is near `word`, else nothing."""
    by_lower = {str(choice).lower(): str(choice) for choice in choices}
    near = get_close_matches(str(word).lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean '{by_lower[near[0]]}'?" if near else ""


def refuse(key: str, value: object, why: str) -> UserError:
    """The error of a key: `key=value: why`."""
    return UserError(f"{key}={'null' if value is None else value}: {why}")
