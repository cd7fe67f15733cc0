"""Writing files so that a reader, or whoever comes after a crash, finds the old one or the new one, whole."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

from filelock import FileLock, Timeout

from gnn_distill.errors import UserError

REMEDIES = {
    errno.ENOSPC: "Make room on that disk, or choose another folder, and run again.",
    errno.EDQUOT: "Make room within your quota, or choose another folder, and run again.",
    errno.EFBIG: "Raise the limit on the size of files (ulimit -f), or choose another folder, and run again.",
}
TEMPORARY = ".tmp"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to: renamed to `path` once it is on the disk, removed if anything goes wrong.

    Raises UserError where the system refuses to write: no space, no right, a limit.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with writing(path):
            yield beside
            sync(beside)
            os.replace(beside, path)
            sync(path.parent)
    finally:
        with suppress(OSError):
            beside.unlink()


def replace_file(path: Path, text: str) -> None:
    """Write a text: a reader, or a crash, finds the old file or the new one."""
    with atomic_path(path) as beside:
        beside.write_bytes(text.encode())


def append(path: Path, text: str) -> None:
    """Add to the end of a file, all of it or nothing."""
    with writing(path), open(path, "ab", buffering=0) as file:
        end, rest = file.tell(), text.encode()
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            file.truncate(end)
            raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Within it an OSError becomes a UserError: which file, why, what is left of it, and what to do."""
    before = os.path.exists(path)
    try:
        yield
    except OSError as error:
        left = "What it held before is intact." if before else "Nothing is left of it."
        remedy = REMEDIES.get(error.errno, "Choose a folder that you may write to.")
        raise UserError(f"{path}: cannot be written ({error.strerror or error}). {left} {remedy}") from error


def fingerprint(path: Path) -> dict[str, int | str]:
    """Size and SHA-256 of a file, as manifests tell them."""
    return {"size": path.stat().st_size, "sha256": sha256(path)}


def is_held(lock: Path) -> bool:
    """Whether a living process holds a lock: one that was killed does not, whatever it left."""
    if not lock.exists():
        return False
    try:
        with FileLock(lock, blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # where nothing can be written, nobody makes anything
        return False


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read piece by piece."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """See to it that a file, or the names in a folder, outlive a crash of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems sync no folders
            raise
    finally:
        os.close(descriptor)


def remove_temporaries(folder: Path) -> None:
    """Remove what a process that was killed in the middle of `atomic_path` left in a folder.

    Only for a folder that nobody else writes to.
    """
    for file in folder.glob(f".*{TEMPORARY}"):
        with suppress(OSError):
            file.unlink()


def set_aside(path: Path, why: str = "damaged") -> Path:
    """Rename a file or folder to `<name>.damaged`, or `.damaged.2` where that is taken; gives its new path."""
    endings = chain([why], (f"{why}.{number}" for number in count(2)))
    aside = next(name for ending in endings if not (name := path.with_name(f"{path.name}.{ending}")).exists())
    os.replace(path, aside)
    return aside
