"""Versions of the files that runs and the store keep, one count for every format; a file's name says which is its.

Something new in a format is one more line here. Its reader takes a default where that is missing, so that the files of
the versions before can still be read, and only where they cannot, or are wrong, does `oldest` rise.
"""

from typing import NamedTuple

FIRST = "a checksum of its own"


class Format(NamedTuple):
    """A kind of file, and how it has changed."""

    changes: tuple[str, ...] = (FIRST,)
    """What each version brought, version 1 first; the last one is written."""
    oldest: int = 1
    """The oldest version that is read."""

    @property
    def current(self) -> int:
        """The version that is written, and the newest that is read."""
        return len(self.changes)


FORMATS = {
    "summary.json": Format(),
    "run.json": Format(),
    "manifest.json": Format(),
    "split.safetensors": Format(),
    "student.json": Format(),
    "student.safetensors": Format(),
    "last.safetensors": Format(),
    "running.safetensors": Format(),
    "key.json": Format(),
    "teacher.safetensors": Format(),
    "signals.safetensors": Format(),
    "encodings.safetensors": Format(),
    "structure.safetensors": Format(),
}
CONTENTS = {
    "teachers": "teacher.safetensors",
    "signals": "signals.safetensors",
    "encodings": "encodings.safetensors",
    "structure": "structure.safetensors",
}
"""Of each kind of entry of the store the file that it is made for."""


def version_to_write(name: str) -> int:
    """The version of a file that is written now; 1 for a name that stands for no format."""
    return FORMATS.get(name, Format()).current


def version_in_keys(kind: str) -> int:
    """What the keys of a kind of entries hold: when a version is no longer read, what was made by it is made again."""
    return FORMATS.get(CONTENTS.get(kind, ""), Format()).oldest
