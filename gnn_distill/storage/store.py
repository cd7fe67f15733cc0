"""Content-addressed store of what is costly to make: teachers, their signals, structural encodings."""

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

MANIFEST = "key.json"
REMEDY = "It is made again when it is needed."
POLL, PATIENCE = 0.1, 1.0
"""Seconds between two looks at a lock, and until a wait is told of."""


class Entry(NamedTuple):
    """A folder of the store, and whether it was there already. Its files need no second look at their checksums."""

    path: Path
    found: bool
    reused: bool = False
    """Whether somebody else had made it: a run that goes on finds what it has made itself."""


class Store:
    """Folders <root>/<kind>/<key>, each made once; the key is a hash of everything that determines the content.

    `tell` hears of damage and of long waits; `maker` is the run that asks. Raises UserError where a folder cannot be
    made or written.
    """

    def __init__(self, root: str | Path, tell: Callable[[str], None] = lambda text: None, maker: str = "") -> None:
        self.root, self.tell, self.maker = Path(root), tell, maker
        self.used: dict[str, list[str]] = {}
        """Keys of the entries that were asked for, by kind."""
        with self._writing():
            self.root.mkdir(parents=True, exist_ok=True)

    def get(
        self, kind: str, parts: dict[str, Any], make: Callable[[Path], None], what: str = "", rather: str = ""
    ) -> Entry:
        """The entry that `parts` determine, its files tested; `make(folder)` fills it where it is missing or damaged.

        Where the entry of the key `rather` is there, whole, and of a version that is read, it is taken instead.

        Others who want the same entry wait for it. It appears under its name only when it is whole: what lies in
        `folder` when `make` returns. Of a `make` that fails or is killed `folder` is kept, and given to the next one,
        which may go on from there. `what` says in words what is made.
        """
        key, what = entry_key(kind, parts), what or kind
        if rather and self._usable(self.root / kind / rather) and self._is_read(kind, rather):
            key = rather
        path = self.root / kind / key
        found = self._usable(path)
        if not found:
            with self._writing():
                path.parent.mkdir(exist_ok=True)
            with self._alone(path, what):
                found = self._usable(path, alone=True)
                if not found:
                    self._make(path, make, {"kind": kind, "what": what, "maker": self.maker, "parts": parts})
        keys = self.used.setdefault(kind, [])
        keys += [key] if key not in keys else []
        mine = self.maker and read_json(path / MANIFEST, REMEDY).get("maker") == self.maker
        return Entry(path, found, reused=found and not mine)

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
                folder.rmdir()  # there is nothing in it to go on from
            raise

    def _usable(self, path: Path, alone: bool = False) -> bool:
        """Whether an entry is there and whole; whoever holds its lock tells of a damaged one and sets it aside."""
        if not path.is_dir():
            return False
        try:
            check(path)
        except (Damaged, OlderVersion) as error:
            if alone:
                with self._writing():
                    aside = set_aside(path)
                self.tell(f"{error} What there was is now {aside.name}.")
            return False
        return True

    def _is_read(self, kind: str, key: str) -> bool:
        """Whether the version of a whole entry's content is still read: it would have the same key today."""
        return entry_key(kind, read_json(self.root / kind / key / MANIFEST, REMEDY)["parts"]) == key

    @contextmanager
    def _alone(self, path: Path, what: str) -> Iterator[None]:
        """Hold the lock of an entry; it goes with its holder, however that ends."""
        lock, started, told = FileLock(path.with_suffix(".lock")), time.monotonic(), False
        while True:
            try:
                with self._writing():
                    lock.acquire(blocking=False)
                break
            except Timeout:
                time.sleep(POLL)
            if not told and time.monotonic() - started > PATIENCE:
                self.tell(f"Waiting for another run, which makes the same: {what}.")
                told = True
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
                f"paths.store={self.root}: cannot be written ({why}). What is there is intact. Make room, or choose a "
                "folder you may write to."
            ) from error


def seal(folder: Path, facts: dict[str, Any]) -> None:
    """Write the manifest of an entry: `facts`, and of every file its size and SHA-256; all is on the disk after it."""
    files = {}
    for file in files_of(folder):
        sync(file)
        files[file.name] = fingerprint(file)
    plain = json.loads(json.dumps(facts, sort_keys=True, default=str))
    made = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(folder / MANIFEST, {**plain, "made": made, "files": files})


def files_of(folder: Path) -> list[Path]:
    """The files of an entry, its manifest left out."""
    return sorted(file for file in folder.iterdir() if file.name != MANIFEST and file.is_file())


def check(path: Path) -> None:
    """Raise Damaged or OtherVersion, naming the file, unless an entry is what was made.

    All its files are read, at about 2 GB/s; again in the same process only if one of them was touched since.
    """
    with reading(path, REMEDY):
        stats = [(file.name, file.stat()) for file in sorted(path.iterdir())]
    _check(path.resolve(), tuple((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


@lru_cache(maxsize=4096)
def _check(path: Path, stamps: tuple) -> None:
    """`stamps` tell a changed entry from the one that was looked at before."""
    for name, told in read_json(path / MANIFEST, REMEDY)["files"].items():
        file = path / name
        stay_inside(path, file, REMEDY)
        with reading(file, REMEDY):
            if file.stat().st_size != told["size"]:
                raise Damaged(file, f"it has {file.stat().st_size:,} bytes of {told['size']:,}", REMEDY)
            if sha256(file) != told["sha256"]:
                raise Damaged(file, "its content does not match its checksum", REMEDY)


def entry_key(kind: str, parts: dict[str, Any]) -> str:
    """The key of an entry: a version that is added to its kind's content changes none, one that is dropped does."""
    return content_key(parts, version_in_keys(kind))


def content_key(parts: dict[str, Any], version: int = 1) -> str:
    """The first 20 hexadecimal digits of the SHA-256 of `version` and of `parts` as sorted JSON."""
    text = json.dumps([version, parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
