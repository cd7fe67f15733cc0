"""Words that begin with a dash and are no flags: what to write instead."""

import shlex
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from gnn_distill.cli.keys import flags, keys, settable
from gnn_distill.config.hydra_errors import nearest
from gnn_distill.errors import UserError


def check_dashes(command: str, words: Sequence[str]) -> None:
    """Raise UserError if words with a dash are none of Hydra's flags, saying what to write instead of each."""
    with_value = [f"{flag}{value}" for flag, values in flags().items() for value in values or ()]
    all_flags = [*flags(), *with_value]
    unknown = [place for place, word in enumerate(words) if not _is_flag(word, all_flags)]
    if unknown:
        known = _keys(command)
        found = [_instead(words, place, known) for place in unknown]
        written = [f"{meant} instead of {typed}" for typed, meant in found if meant]
        others = [f"{typed}: {_unknown(typed, command)}" for typed, meant in found if not meant]
        advice = [f"{'Write' if others else 'write'} {', '.join(written)}."] if written else []
        raise UserError(" ".join([*others, *advice]))


def _is_flag(word: str, known: Sequence[str]) -> bool:
    """Whether a word is a flag or the beginning of a long one, as argparse reads it; or has no dash."""
    name = word.partition("=")[0]
    begins = name.startswith("--") and any(flag.startswith(name) for flag in known)
    return not word.startswith("-") or name in known or begins


def _instead(words: Sequence[str], place: int, known: Mapping[str, str]) -> tuple[str, str]:
    """A word with its value, as it was typed, and as it is written: `optim.lr=1 or pretrain.optim.lr=1`; or nothing."""
    flag, given, value = words[place].partition("=")
    after = words[place + 1] if place + 1 < len(words) else "-"
    apart = not given and not after.startswith("-") and "=" not in after
    name = flag.lstrip("-").replace("-", "_")
    meant = [name] if name in known else [] if _near(flag) else nearest(name, known)
    value = after if apart else value
    written = " or ".join(f"{key}={shlex.quote(value) if value else known[key]}" for key in meant)
    return f"{flag} {after}" if apart and meant else words[place], written


def _near(flag: str) -> list[str]:
    """The flag that a misspelt one may stand for."""
    return get_close_matches(f"--{flag.lstrip('-')}", flags(), n=1, cutoff=0.8)


def _unknown(word: str, command: str) -> str:
    if near := _near(word.partition("=")[0]):
        return f"unknown flag. Did you mean '{near[0]}'?"
    return f"unknown flag. Keys are written key=value; gnn-distill {command} --help lists them."


def _keys(command: str) -> dict[str, str]:
    """Keys and groups of a command, each with what stands for a value that is not given."""
    known = {name: "true" if key.hint is bool else "…" for name, key in keys(command).items()}
    return dict.fromkeys(settable(command), "…") | known
