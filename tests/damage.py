"""Ways in which a file comes to harm, and whether that is noticed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from gnn_distill.storage.checksums import Damaged


def harm(raw: bytes, every_byte: bool = False) -> Iterator[tuple[str, bytes]]:
    """The content with a bit flipped, at the ends and anywhere, cut at several lengths, lengthened, and emptied."""
    random = Random(0)
    some = (0, 7, 8, 9, len(raw) // 2, len(raw) - 1, *(random.randrange(len(raw)) for _ in range(20)))
    for place in range(len(raw)) if every_byte else sorted(place for place in set(some) if place < len(raw)):
        flipped = raw[place] ^ (1 << random.randrange(8))
        yield f"byte {place} flipped", raw[:place] + bytes([flipped]) + raw[place + 1 :]
    for length in sorted(cut for cut in {0, 1, 8, 100, len(raw) // 2, len(raw) - 1} if cut < len(raw)):
        yield f"cut to {length}", raw[:length]
    yield "one byte more", raw + b" "


def assert_noticed(path: Path, read: Callable[[], Any], every_byte: bool = False) -> None:
    """Do all that to a file: each time `read` must tell of damage; the file is whole again in the end."""
    raw = path.read_bytes()
    read()
    for what, content in harm(raw, every_byte):
        path.write_bytes(content)
        try:
            read()
        except Damaged as error:
            noticed = path.name in str(error)
        else:
            noticed = False
        assert noticed, f"{path.name}: {what}"
    path.write_bytes(raw)
    read()
