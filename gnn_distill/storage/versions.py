"""Format versions of the files of runs and of the store; the file name determines the format.

An addition to a format is one more line here. Its reader uses a default where the addition is missing, so that files of
earlier versions can still be read; `oldest` rises only if they cannot, or are wrong.
"""

from typing import NamedTuple

FIRST = "a checksum of its own"


class Format(NamedTuple):
    """A file format and its history."""

    changes: tuple[str, ...] = (FIRST,)
    """What each version added, version 1 first; the last one is written."""
    oldest: int = 1
    """The oldest version that is read."""

    @property
    def current(self) -> int:
        """The version that is written, and the newest that is read."""
        return len(self.changes)


FORMATS = {
    "summary.json": Format(),
    "run.json": Format(),
    "profile.json": Format(),
    "manifest.json": Format(),
    "split.safetensors": Format(),
    "student.json": Format((FIRST, "input.tu_files, the coding of TUDataset files")),
    "student.safetensors": Format(),
    "last.safetensors": Format(),
    "running.safetensors": Format(),
    "key.json": Format(),
    "teacher.safetensors": Format(),
    "signals.safetensors": Format(),
    "encodings.safetensors": Format(),
    "structure.safetensors": Format(),
    "patches.safetensors": Format(),
    "targets.safetensors": Format(),
    "probes.safetensors": Format(),
    "probe.json": Format(),
    "floors.safetensors": Format(),
    "nodes.json": Format(),
    "hops.json": Format(),
}
CONTENTS = {
    "teachers": "teacher.safetensors",
    "signals": "signals.safetensors",
    "encodings": "encodings.safetensors",
    "structure": "structure.safetensors",
    "patches": "patches.safetensors",
    "targets": "targets.safetensors",
    "probes": "probes.safetensors",
    "floors": "floors.safetensors",
    "hops": "hops.json",
}
"""For each kind of store entry, the file that holds its content."""


def version_to_write(name: str) -> int:
    """The current version of a file's format; 1 for a name without a format."""
    return FORMATS.get(name, Format()).current


def version_in_keys(kind: str) -> int:
    """The version that enters the keys of a kind of entry: what is no longer read is thus computed again."""
    return FORMATS.get(CONTENTS.get(kind, ""), Format()).oldest
