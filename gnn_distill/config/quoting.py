"""Paths and names on command lines: as Hydra's grammar wants them, and as a shell does."""

import shlex
from pathlib import Path


def for_hydra(text: object) -> str:
    """`text` as the value of an override: in quotes, whatever marks it holds, and none of them an interpolation."""
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(str(text).replace("${", r"\${"), Quote.single).with_quotes()


def resume_command(folder: Path | str) -> str:
    """What to type into a shell to go on with the run in `folder`."""
    return f"gnn-distill train resume={shlex.quote(str(folder))}"
