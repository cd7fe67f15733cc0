"""Content-addressed store of what is costly to compute: teachers, their outputs, structural encodings."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from gnn_distill.errors import UserError
from gnn_distill.storage.bounded import stay_inside
from gnn_distill.storage.checksums import Damaged, OlderVersion, read_json, reading, write_json
from gnn_distill.storage.files import fingerprint, remove_temporaries, set_aside, sha256, sync
from gnn_distill.storage.versions import version_in_keys

KEY_FILE = "key.json"
REMADE_WHEN_NEEDED = "It will be made again when needed."
POLL, NOTICE_AFTER = 0.1, 1.0
"""Seconds between two attempts to lock, and until a wait is announced."""


class Entry(NamedTuple):
    """A folder of the store, and whether it existed already. The checksums of its files have been verified."""

    path: Path
    found: bool
    reused: bool = False
    """Whether another run had made it: a resumed run also finds what it made itself."""


class Store:
    """Folders <root>/<kind>/<key>, each made once; the key is a hash of everything that determines the content.

    `notify` receives messages about damage and long waits; `maker` is the id of the run. Raises UserError if a folder
    cannot be created or written.
    """

    def __init__(self, root: str | Path, notify: Callable[[str], None] = lambda text: None, maker: str = "") -> None:
        self.root, self.notify, self.maker = Path(root), notify, maker
        self.used: dict[str, list[str]] = {}
        """Keys of the requested entries, by kind."""
        with self._writing():
            self.root.mkdir(parents=True, exist_ok=True)

    def get(
        self, kind: str, parts: dict[str, Any], make: Callable[[Path], None], what: str = "", preferred: str = ""
    ) -> Entry:
        """The entry that `parts` determine, its files verified; `make(folder)` fills it if it is missing or damaged.

        If the entry of the key `preferred` exists, is intact, and of a version that is read, it is returned instead.

        Other processes that need the same entry wait for it. It appears under its name only when complete: with the
        files in `folder` when `make` returns. If `make` fails or is killed, `folder` is kept and passed to the next
        one, which may resume from it. `what` describes the entry in words.
        """
        key, what = entry_key(kind, parts), what or kind
        if preferred and self._usable(self.root / kind / preferred) and self._is_read(kind, preferred):
            key = preferred
        path = self.root / kind / key
        found = self._usable(path)
        if not found:
            with self._writing():
                path.parent.mkdir(exist_ok=True)
            with self._locked(path, what):
                found = self._usable(path, locked=True)
                if not found:
                    self._make(path, make, {"kind": kind, "what": what, "maker": self.maker, "parts": parts})
        keys = self.used.setdefault(kind, [])
        keys += [key] if key not in keys else []
        own = self.maker and read_json(path / KEY_FILE, REMADE_WHEN_NEEDED).get("maker") == self.maker
        return Entry(path, found, reused=found and not own)

    def _make(self, path: Path, make: Callable[[Path], None], facts: dict[str, Any]) -> None:
        folder = path.with_suffix(".partial")
        try:
            with self._writing():
                folder.mkdir(exist_ok=True)
            remove_temporaries(folder)
            make(folder)
            with self._writing():
                seal(folder, facts)
                os.replace(folder, path)
                sync(path.parent)
        except BaseException:
            with suppress(OSError):
                folder.rmdir()  # fails if it holds something to resume from
            raise

    def _usable(self, path: Path, locked: bool = False) -> bool:
        """Whether an entry exists and is intact; with its lock held, a damaged one is reported and set aside."""
        if not path.is_dir():
            return False
        try:
            verify_entry(path)
        except (Damaged, OlderVersion) as error:
            if locked:
                with self._writing():
                    aside = set_aside(path)
                self.notify(f"{error} The old entry was renamed to {aside.name}.")
            return False
        return True

    def _is_read(self, kind: str, key: str) -> bool:
        """Whether the content version of an intact entry is still read: it would have the same key today."""
        return entry_key(kind, read_json(self.root / kind / key / KEY_FILE, REMADE_WHEN_NEEDED)["parts"]) == key

    @contextmanager
    def _locked(self, path: Path, what: str) -> Iterator[None]:
        """Hold the lock of an entry; the system releases it when its process ends, however that happens."""
        lock, started, announced = FileLock(path.with_suffix(".lock")), time.monotonic(), False
        while True:
            try:
                with self._writing():
                    lock.acquire(blocking=False)
                break
            except Timeout:
                time.sleep(POLL)
            if not announced and time.monotonic() - started > NOTICE_AFTER:
                self.notify(f"Waiting for another run that is making the same entry: {what}.")
                announced = True
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Timeout:  # an OSError, too
            raise
        except OSError as error:
            why = error.strerror or error
            raise UserError(
                f"paths.store={self.root}: cannot be written ({why}). Its content is intact. Make room, or choose a "
                "folder that you may write to."
            ) from error


def seal(folder: Path, facts: dict[str, Any]) -> None:
    """Write the manifest of an entry: `facts`, and the size and SHA-256 of every file; all files are then on disk."""
    files = {}
    for file in files_of(folder):
        sync(file)
        files[file.name] = fingerprint(file)
    plain = json.loads(json.dumps(facts, sort_keys=True, default=str))
    made = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(folder / KEY_FILE, {**plain, "made": made, "files": files})


def files_of(folder: Path) -> list[Path]:
    """The files of an entry, without its manifest."""
    return sorted(file for file in folder.iterdir() if file.name != KEY_FILE and file.is_file())


def verify_entry(path: Path) -> None:
    """Raise Damaged or OtherVersion, naming the file, unless an entry is as it was written.

    All its files are read, at about 2 GB/s; a second time in the same process only if one of them was touched since.
    """
    with reading(path, REMADE_WHEN_NEEDED):
        stats = [(file.name, file.stat()) for file in sorted(path.iterdir())]
    _verify_files(path.resolve(), tuple((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


@lru_cache(maxsize=4096)
def _verify_files(path: Path, stamps: tuple) -> None:
    """Verify all files against the manifest; `stamps` distinguish a changed entry from one verified before."""
    for name, expected in read_json(path / KEY_FILE, REMADE_WHEN_NEEDED)["files"].items():
        file = path / name
        stay_inside(path, file, REMADE_WHEN_NEEDED)
        with reading(file, REMADE_WHEN_NEEDED):
            if file.stat().st_size != expected["size"]:
                raise Damaged(file, f"it has {file.stat().st_size:,} of {expected['size']:,} bytes", REMADE_WHEN_NEEDED)
            if sha256(file) != expected["sha256"]:
                raise Damaged(file, "its content does not match its checksum", REMADE_WHEN_NEEDED)


def entry_key(kind: str, parts: dict[str, Any]) -> str:
    """The key of an entry: adding a version to the format of its kind keeps all keys, dropping one changes them."""
    return content_key(parts, version_in_keys(kind))


def content_key(parts: dict[str, Any], version: int = 1) -> str:
    """The first 20 hexadecimal digits of the SHA-256 of `version` and of `parts` as sorted JSON."""
    text = json.dumps([version, parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
