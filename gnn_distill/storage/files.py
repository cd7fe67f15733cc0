"""Writing files so that a reader, even after a crash, finds either the old version or the new one, complete."""

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
    """A temporary path next to `path`: renamed to `path` once its content is on disk, removed if anything goes wrong.

    Raises UserError if the system refuses to write: no space, no permission, a limit.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with writing(path):
            yield temporary
            sync(temporary)
            os.replace(temporary, path)
            sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


def check_writable(path: Path) -> None:
    """Raise UserError unless a folder is one that may be written to, or can be made."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "you may not write there" if there.is_dir() else "that is a file"
        raise UserError(f"{path}: cannot be made in {there}: {why}. Choose another folder.")


def replace_file(path: Path, text: str) -> None:
    """Replace a file by a text, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode())


def append(path: Path, text: str) -> None:
    """Append a text to a file, all of it or nothing."""
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
    """Turn an OSError into a UserError that says which file, why, what is left of it, and what to do."""
    before = os.path.exists(path)
    try:
        yield
    except OSError as error:
        left = "Its previous content is intact." if before else "No part of it is left."
        remedy = REMEDIES.get(error.errno, "Choose a folder that you may write to.")
        raise UserError(f"{path}: cannot be written ({error.strerror or error}). {left} {remedy}") from error


def fingerprint(path: Path) -> dict[str, int | str]:
    """Size and SHA-256 of a file, as manifests list them."""
    return {"size": path.stat().st_size, "sha256": sha256(path)}


def is_held(lock: Path) -> bool:
    """Whether a living process holds a lock; a killed one does not, whatever files it left."""
    if not lock.exists():
        return False
    try:
        with FileLock(lock, blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # where nothing can be written, no process can be at work
        return False


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in chunks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Make sure that a file, or the names in a folder, survive a crash of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems sync no folders
            raise
    finally:
        os.close(descriptor)


def remove_temporaries(folder: Path) -> None:
    """Remove what a process that was killed within `atomic_path` left in a folder.

    Only for a folder that no other process writes to.
    """
    for file in folder.glob(f".*{TEMPORARY}"):
        with suppress(OSError):
            file.unlink()


def set_aside(path: Path, why: str = "damaged") -> Path:
    """Rename a file or folder to `<name>.damaged`, or `.damaged.2` if that exists; returns the new path."""
    endings = chain([why], (f"{why}.{number}" for number in count(2)))
    aside = next(name for ending in endings if not (name := path.with_name(f"{path.name}.{ending}")).exists())
    os.replace(path, aside)
    return aside
