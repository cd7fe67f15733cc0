"""Files that carry their format version and their own SHA-256: JSON files, and safetensors in their header.

The file name determines the format. The checksum is that of the whole file with 64 zeros in the place of the
checksum, so no byte can change unnoticed.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnn_distill.errors import UserError
from gnn_distill.storage.bounded import (
    MOST_HEADER,
    MOST_JSON,
    REMEDY,
    Damaged,
    opened,
    parsed,
    read_bytes,
    reading,
)
from gnn_distill.storage.files import replace_file
from gnn_distill.storage.versions import FORMATS, version_to_write

BLANK = "0" * 64
SECTION = "gnn_distill"
"""Key of our JSON object in the metadata of a safetensors file."""
IN_JSON = re.compile(rb'"checksum": "([0-9a-f]{64})"\n\}\n\Z')
IN_HEADER = re.compile(rb'\\"checksum\\": \\"([0-9a-f]{64})\\"')


class OtherVersion(UserError):
    """An intact file, as far as can be told, of a format version that cannot be read."""


class OlderVersion(OtherVersion):
    """A version that is no longer read; the content can be computed again."""

    def __init__(self, path: Path, version: Any, remedy: str = REMEDY) -> None:
        described = f" (format version {version})" if type(version) is int else ""
        super().__init__(
            f"{path}: was written by an older version of gnn-distill{described}, which this one cannot read. {remedy}"
        )


class NewerVersion(OtherVersion):
    """A version that is not yet known: the file is intact, so it is never set aside."""

    def __init__(self, path: Path, version: int) -> None:
        super().__init__(
            f"{path}: was written by a newer version of gnn-distill (format version {version}; this one reads "
            f"up to {FORMATS[path.name].current}). The file is intact: update gnn-distill, or use another folder."
        )


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as strict JSON, its format version first, its checksum last."""
    values = {"schema_version": version_to_write(path.name), **value, "checksum": BLANK}
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    head, _, tail = text.rpartition(BLANK)
    replace_file(path, head + hashlib.sha256(text.encode()).hexdigest() + tail)


def read_json(path: Path, remedy: str = REMEDY) -> dict[str, Any]:
    """Read what `write_json` wrote. Raises Damaged or OtherVersion, ending in `remedy`."""
    raw = read_bytes(path, MOST_JSON, remedy=remedy)
    found = IN_JSON.search(raw)
    if found is None:
        value = parsed(raw)
        # In a file of ours a flipped byte leaves at least one of the two words.
        if isinstance(value, dict) and value and value.keys().isdisjoint({"schema_version", "checksum"}):
            raise OlderVersion(path, None, remedy)
        raise Damaged(path, "it is truncated" if value is None else "its checksum is missing", remedy)
    blank = raw[: found.start(1)] + BLANK.encode() + raw[found.end(1) :]
    if hashlib.sha256(blank).hexdigest().encode() != found[1]:
        raise Damaged(path, "its content does not match its checksum", remedy)
    value = parsed(raw)
    if not isinstance(value, dict):
        raise Damaged(path, "it is not a JSON object, or is nested too deeply", remedy)
    _check_version(path, value.get("schema_version"), remedy)
    return {key: item for key, item in value.items() if key not in ("schema_version", "checksum")}


def metadata(path: Path, remedy: str = REMEDY, verify: bool = True, folder: Path | None = None) -> dict[str, Any]:
    """Our section of a safetensors file's metadata, once the whole file has been read against its checksum.

    It is read in chunks; without `verify` only the header is. With a `folder`, which someone else may have written, the
    file must be inside it, links followed, and its header short. Raises Damaged or OtherVersion.
    """
    with opened(path, folder, remedy) as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > os.fstat(file.fileno()).st_size:
            raise Damaged(path, "its header is incomplete", remedy)
        most = MOST_JSON if folder else MOST_HEADER
        if length > most:
            raise Damaged(path, f"its header exceeds the limit of {most:,} bytes", remedy)
        header = file.read(length)
        found = IN_HEADER.search(header)
        if found is None:
            if _metadata(header).keys() == {"state"}:
                raise OlderVersion(path, None, remedy)
            raise Damaged(path, "it has no checksum, or was not written by gnn-distill", remedy)
        if verify:
            digest = hashlib.sha256(start + header[: found.start(1)] + BLANK.encode() + header[found.end(1) :])
            while piece := file.read(1 << 20):
                digest.update(piece)
            if digest.hexdigest().encode() != found[1]:
                raise Damaged(path, "its content does not match its checksum", remedy)
    section = _metadata(header).get(SECTION)
    value = parsed(section) if isinstance(section, str) else None
    if not isinstance(value, dict):
        raise Damaged(path, "its header is incomplete", remedy)
    _check_version(path, value.get("schema_version"), remedy)
    return value


def _check_version(path: Path, version: Any, remedy: str) -> None:
    """Raise OlderVersion or NewerVersion unless this version of the file's format can be read.

    A renamed copy is never refused for its version.
    """
    form = FORMATS.get(path.name)
    if type(version) is not int or version < (form.oldest if form else 1):
        raise OlderVersion(path, version, remedy)
    if form and version > form.current:
        raise NewerVersion(path, version)


def _metadata(header: bytes) -> dict[str, Any]:
    """The metadata of a safetensors header; empty if it has none."""
    value = parsed(header)
    value = value.get("__metadata__") if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def is_ours(path: Path) -> bool:
    """Whether gnn-distill wrote a safetensors file, however damaged: no single byte hides all of its marks."""
    with reading(path), open(path, "rb") as file:
        length = min(int.from_bytes(file.read(8), "little"), os.fstat(file.fileno()).st_size, MOST_HEADER)
        header = file.read(length)
    return any(word in header for word in (SECTION.encode(), b"schema_version", b"checksum"))
