"""PyG's processed files, tied to the raw files and the code that they were made from."""

import json
import shutil
from collections.abc import Sequence
from hashlib import file_digest
from pathlib import Path
from typing import Any

from gnn_distill.storage.code_hash import code_of

SIDECAR = "made_from.json"
"""In a processed folder: size, modification time and SHA-256 of every raw file, and the hash of the code."""


def drop_outdated(home: Path, code: Sequence[str]) -> None:
    """Remove the processed folders of the set `home` that were not made from its current raw files.

    Folders of unknown origin are removed, too. code: modules whose changes would make other graphs.
    """
    for folder in processed_folders(home):
        if not fits(folder, home / "raw", code):
            shutil.rmtree(folder)


def looks_outdated(home: Path, code: Sequence[str]) -> bool:
    """Whether a processed folder is outdated; for one of unknown origin, whether a raw file is newer."""
    raw = home / "raw"
    for folder in processed_folders(home):
        if (folder / SIDECAR).is_file():
            if not fits(folder, raw, code):
                return True
        elif max(map(_changed, _files(raw))) > min(map(_changed, _files(folder)), default=0):
            return True
    return False


def record(home: Path, code: Sequence[str]) -> None:
    """Record in each processed folder of the set `home` what it was made from."""
    for folder in processed_folders(home):
        known = _known(folder)
        facts = _made_from(home / "raw", known, code)
        if facts != known:
            (folder / SIDECAR).write_text(json.dumps(facts, indent=1))


def processed_folders(home: Path) -> list[Path]:
    """The non-empty processed folders of `home/raw`, in `home` or one folder below (ZINC/subset/processed)."""
    below = [path for path in home.glob("*/processed") if not (path.parent / "raw").is_dir()]
    return [path for path in (home / "processed", *below) if path.is_dir() and any(path.iterdir())]


def fits(folder: Path, raw: Path, code: Sequence[str]) -> bool:
    """Whether a processed folder was made from the current files in `raw` by the current code."""
    known = _known(folder)
    now = _made_from(raw, known, code)
    return {**known, "files": _digests(known)} == {**now, "files": _digests(now)}


def _made_from(raw: Path, known: dict[str, Any], code: Sequence[str]) -> dict[str, Any]:
    """The current sidecar; files with `known` size and time are not read again."""
    files = {}
    for path in _files(raw):
        stat = path.stat()
        size, changed, digest = known.get("files", {}).get(path.name, (None, None, None))
        if (size, changed) != (stat.st_size, stat.st_mtime_ns):
            with path.open("rb") as file:
                digest = file_digest(file, "sha256").hexdigest()
        files[path.name] = [stat.st_size, stat.st_mtime_ns, digest]
    return {"files": files, "code": code_of(code).to_key() if code else None}


def _known(folder: Path) -> dict[str, Any]:
    """The sidecar of a processed folder; empty if it is missing or unreadable."""
    try:
        known = json.loads((folder / SIDECAR).read_text())
        _digests(known)
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return {}
    return known


def _digests(facts: dict[str, Any]) -> dict[str, str]:
    return {name: digest for name, (_, _, digest) in facts.get("files", {}).items()}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns
