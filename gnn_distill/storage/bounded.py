"""Reading files that someone else may have written: only regular files, inside a folder, and up to a limit."""

import csv
import io
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gnn_distill.errors import UserError

if TYPE_CHECKING:
    from omegaconf import DictConfig, ListConfig

MB = 1 << 20
MOST_JSON = 16 * MB
MOST_YAML = MB // 4
MOST_CSV = 32 * MB
MOST_IMAGE = 16 * MB
MOST_HEADER = 100_000_000
"""Limit for our own safetensors files, which is that of safetensors itself."""
MAX_DEPTH, MOST_NODES = 32, 10_000
"""Limits for YAML: levels of nesting, and number of lists, mappings and values."""
MOST_COLUMNS = 1000
REMEDY = "Delete it and run again."


class Damaged(UserError):
    """A file that is not as it was written; the message names it."""

    def __init__(self, path: Path, why: str, remedy: str = REMEDY) -> None:
        super().__init__(f"{path}: is damaged: {why}. {remedy}")
        self.path, self.why = path, why


@contextmanager
def reading(path: Path, remedy: str = REMEDY) -> Iterator[None]:
    """Turn an OSError into a UserError: Damaged where the file is missing or the disk fails."""
    try:
        yield
    except PermissionError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Ask its owner for read permission.") from error
    except OSError as error:
        why = "it is missing" if isinstance(error, FileNotFoundError) else f"it cannot be read ({error.strerror})"
        raise Damaged(path, why, remedy) from error


def lies_inside(path: Path, folder: Path) -> bool:
    """Whether `path` is a regular file and, all links followed, below `folder`."""
    try:
        real = Path(os.path.realpath(path, strict=True))
        return real.is_relative_to(os.path.realpath(folder)) and stat.S_ISREG(real.stat().st_mode)
    except OSError:
        return False


def stay_inside(folder: Path, path: Path, remedy: str = REMEDY) -> None:
    """Raise Damaged if `path` exists but is not a regular file inside `folder`, all links followed."""
    if os.path.lexists(path) and not lies_inside(path, folder):
        raise Damaged(path, "it links outside its folder, or is not a regular file", remedy)


@contextmanager
def opened(path: Path, folder: Path | None = None, remedy: str = REMEDY) -> Iterator[IO[bytes]]:
    """Open a regular file, inside `folder` if one is given. Raises Damaged, or UserError if not permitted."""
    with reading(path, remedy):
        real = os.path.realpath(path, strict=True)
        if not lies_inside(path, Path(folder or os.path.dirname(real))):
            raise Damaged(path, "it links outside its folder, or is not a regular file", remedy)
        # The name may be changed meanwhile: no link is followed here, no pipe waited for.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(real, flags), "rb") as file:
            yield file


def read_bytes(path: Path, most: int, folder: Path | None = None, remedy: str = REMEDY) -> bytes:
    """All of a file of at most `most` bytes. Raises Damaged."""
    with opened(path, folder or path.parent, remedy) as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise Damaged(path, f"it exceeds the limit of {most:,} bytes", remedy)
    return raw


def parsed(text: str | bytes) -> Any:
    """The value of a JSON text; None if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError, MemoryError):
        return None


def read_plain_json(path: Path, folder: Path | None = None, remedy: str = REMEDY) -> Any:
    """The value of a JSON file without a checksum. Raises Damaged."""
    value = parsed(read_bytes(path, MOST_JSON, folder, remedy))
    if value is None:
        raise Damaged(path, "it is not JSON", remedy)
    return value


def read_yaml(path: Path, folder: Path | None = None, remedy: str = REMEDY) -> "DictConfig | ListConfig":
    """The content of a YAML file; aliases, which can make it grow, and Python tags are refused.

    Raises Damaged.
    """
    from omegaconf import OmegaConf

    with _yaml_text(path, folder, remedy) as text:
        return OmegaConf.load(io.StringIO(text))


def read_texts(path: Path, folder: Path | None = None, remedy: str = REMEDY) -> list[str]:
    """The strings of a YAML file that is a list, such as overrides; a tenth of the time of `read_yaml`.

    Raises Damaged.
    """
    import yaml

    with _yaml_text(path, folder, remedy) as text:
        found = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


@contextmanager
def _yaml_text(path: Path, folder: Path | None, remedy: str) -> Iterator[str]:
    """The text of a YAML file within the limits; what goes wrong with it there is Damaged."""
    import yaml

    try:
        text = read_bytes(path, MOST_YAML, folder, remedy).decode()
        depth = 0
        for count, event in enumerate(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))):
            if isinstance(event, yaml.AliasEvent):
                raise Damaged(path, f"it contains aliases (*{event.anchor}), which no run writes", remedy)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH or count > MOST_NODES:
                limits = f"the limits are {MAX_DEPTH} levels and {MOST_NODES:,} values"
                raise Damaged(path, f"it is nested too deeply or too long: {limits}", remedy)
        yield text
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        message = " ".join(str(error).split())[:200]
        raise Damaged(path, f"it is not YAML as a run writes it ({type(error).__name__}: {message})", remedy) from error


def read_csv(path: Path, folder: Path | None = None, remedy: str = REMEDY) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV file; a torn last row is dropped. Raises Damaged."""
    try:
        text = read_bytes(path, MOST_CSV, folder, remedy).decode()
        rows = list(csv.reader(io.StringIO(text, newline="")))
    except (csv.Error, UnicodeDecodeError) as error:
        raise Damaged(path, f"it is not CSV ({error})", remedy) from error
    header = rows.pop(0) if rows else []
    if len(header) > MOST_COLUMNS:
        raise Damaged(path, f"it has {len(header):,} columns; the limit is {MOST_COLUMNS:,}", remedy)
    if rows and len(rows[-1]) < len(header):
        rows.pop()
    if other := next((line for line, row in enumerate(rows, 2) if len(row) != len(header)), None):
        raise Damaged(path, f"row {other} does not have one cell per column", remedy)
    return header, rows
