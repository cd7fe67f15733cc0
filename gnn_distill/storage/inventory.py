"""The contents of a store: its entries, leftovers of others, and which run directories use them."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from gnn_distill.storage.checksums import Damaged, NewerVersion, OlderVersion, read_json
from gnn_distill.storage.files import is_held, writing
from gnn_distill.storage.run_directory import RUN, SUMMARY
from gnn_distill.storage.store import KEY_FILE, verify_entry

INTACT, MAKING, PARTIAL, DAMAGED, ASIDE = "", "in progress", "partial", "damaged", "set aside"
OLDER, NEWER = "older version", "newer version"
"""States of an item: an intact entry; one that a process is filling, or left unfinished; a damaged one; a damaged one
that was set aside; one of a version that is no longer read, or not yet known."""
Users = dict[tuple[str, str], list[Path]]
"""Run directories by (kind, key) of the entries that they use."""


@dataclass(frozen=True)
class Item:
    """A folder of a store."""

    path: Path
    state: str
    size: int
    """Bytes of its files."""
    age: float
    """Seconds since its newest file was written."""
    what: str = ""
    """Description of the content, if it can be read."""
    trouble: str = ""
    """Description of the damage."""
    runs: Sequence[Path] = ()
    """The known run directories that use it."""

    @property
    def kind(self) -> str:
        """Teachers, signals, encodings, ..."""
        return self.path.parent.name

    @property
    def lock(self) -> Path:
        """The lock file held by a process that makes this entry."""
        return self.path.with_name(f"{self.path.name.partition('.')[0]}.lock")


def inventory(
    root: Path, users: Users, verify: bool = False, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Item]:
    """All items of a store, by kind; `verify` checks the checksums of all files, otherwise only manifests are read."""
    kinds = [kind for kind in sorted(root.iterdir()) if kind.is_dir()]
    folders = [folder for kind in kinds for folder in sorted(kind.iterdir()) if folder.is_dir()]
    items = []
    for done, folder in enumerate(folders, start=1):
        item = examine(folder, users, verify)
        items.append(replace(item, state=MAKING) if item.state == PARTIAL and is_held(item.lock) else item)
        progress(done, len(folders))
    return items


def examine(folder: Path, users: Users, verify: bool = False) -> Item:
    """The current state of a folder of a store, whether or not a process is working on it."""
    stats = [file.stat() for file in folder.iterdir() if file.is_file()]
    written = max((stat.st_mtime for stat in stats), default=folder.stat().st_mtime)
    key, _, ending = folder.name.partition(".")
    item = Item(
        folder,
        state=ASIDE if ending.startswith("damaged") else PARTIAL if ending else INTACT,
        size=sum(stat.st_size for stat in stats),
        age=max(time.time() - written, 0.0),
        runs=() if ending else users.get((folder.parent.name, key), ()),
    )
    if ending:
        return item
    try:
        listed = read_json(folder / KEY_FILE)
        for name, expected in listed["files"].items():
            if not (folder / name).is_file() or (folder / name).stat().st_size != expected["size"]:
                raise Damaged(folder / name, "it is missing, or has another size")
        if verify:
            verify_entry(folder)
    except Damaged as error:
        return replace(item, state=DAMAGED, trouble=f"{error.path.name}: {error.why}")
    except OlderVersion:
        return replace(item, state=OLDER)
    except NewerVersion:
        return replace(item, state=NEWER)
    return replace(item, what=listed["what"])


@contextmanager
def try_lock(item: Item) -> Iterator[bool]:
    """Try to lock an item; yields whether that succeeded. Errors of writing within it become UserErrors."""
    lock = FileLock(item.lock)
    with writing(item.path):
        try:
            lock.acquire(blocking=False)
        except Timeout:
            free = False
        else:
            free = True
        try:
            yield free
        finally:
            lock.release()


def users_in(folders: Iterable[Path]) -> tuple[Users, dict[Path, str]]:
    """Which runs below `folders`, finished or not, use which entries; and why some files cannot be read."""
    users: Users = {}
    unreadable: dict[Path, str] = {}
    for folder in folders:
        for file in sorted(Path(place, name) for place, _, names in os.walk(folder) for name in names):
            if file.name not in (RUN, SUMMARY):
                continue
            try:
                used = _keys_by_kind(file)
            except Damaged:
                unreadable[file] = "is damaged"
                continue
            except NewerVersion:
                unreadable[file] = "is of a newer version"
                continue
            except OlderVersion:  # such a run used entries of its own version
                continue
            for kind, keys in used.items():
                for key in keys:
                    runs = users.setdefault((kind, key), [])
                    runs += [file.parent] if file.parent not in runs else []
    return users, unreadable


def _keys_by_kind(file: Path) -> dict[str, list[str]]:
    """The store entries that a run lists as used. Raises Damaged or OtherVersion."""
    used = read_json(file).get("store", {})
    if not isinstance(used, dict) or not all(isinstance(keys, list) for keys in used.values()):
        raise Damaged(file, "its list of store entries is malformed")
    return used
