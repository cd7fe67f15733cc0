"""Paths and names on command lines, quoted for Hydra's grammar and for a shell."""

import shlex
from pathlib import Path


def for_hydra(text: object) -> str:
    """`text` as the value of an override: quoted, whatever characters it has, and without interpolation."""
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(str(text).replace("${", r"\${"), Quote.single).with_quotes()


def resume_command(folder: Path | str) -> str:
    """The shell command that resumes the run in `folder`."""
    return f"gnn-distill train resume={shlex.quote(str(folder))}"


def report_command(folder: Path | str) -> str:
    """The shell command that writes the page of the run in `folder`."""
    return f"gnn-distill report {shlex.quote(str(folder))}"
