"""Content-addressed store of what is costly to make: teachers, their signals, structural encodings."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from gnn_distill.errors import UserError

PACKAGE = Path(__file__).parent


class Entry(NamedTuple):
    """A folder of the store, and whether it was there already."""

    path: Path
    found: bool


class Store:
    """Folders <root>/<kind>/<key>, each made once; the key is a hash of everything that determines the content."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"paths.store={root}: cannot be written ({error.strerror}). Choose a folder you may write to."
            ) from error

    def get(self, kind: str, parts: dict[str, Any], make: Callable[[Path], None]) -> Entry:
        """The entry that `parts` determine; `make(folder)` fills it where it is missing.

        Others who want the same entry wait for it. It appears under its name only when it is whole.
        """
        key = content_key(parts)
        path = self.root / kind / key
        if path.is_dir():
            return Entry(path, found=True)
        path.parent.mkdir(exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if path.is_dir():
                return Entry(path, found=True)
            temporary = path.with_suffix(f".{os.getpid()}")
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            try:
                make(temporary)
                (temporary / "key.json").write_text(json.dumps(parts, indent=2, sort_keys=True, default=str))
                os.replace(temporary, path)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return Entry(path, found=False)


def content_key(parts: dict[str, Any]) -> str:
    """The first 20 hexadecimal digits of the SHA-256 of `parts` as sorted JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:20]


def code_version(*sources: str) -> str:
    """Hash of these files and folders of the package: what they make is not reused once they change."""
    digest = hashlib.sha256()
    for source in sources:
        path = PACKAGE / source
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:20]
