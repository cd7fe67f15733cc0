"""What Weights & Biases has written to its offline file: records in blocks, as LevelDB writes its logs."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK, HEADER, WHOLE, LAST = 32768, 7, 1, 4


def records(folder: Path, kind: str) -> list[Any]:
    """The records of a kind (run, history, artifact, stats, environment, ...) of a run's offline folders, in order."""
    from wandb.proto import wandb_internal_pb2

    found = []
    for path in sorted(folder.glob("offline-run-*/*.wandb")):
        for content in _contents(path.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(content)
            if record.WhichOneof("record_type") == kind:
                found.append(getattr(record, kind))
    return found


def _contents(data: bytes) -> Iterator[bytes]:
    place, content = HEADER, b""
    while place + HEADER <= len(data):
        left = BLOCK - place % BLOCK
        _, size, kind = struct.unpack_from("<IHB", data, place)
        if left < HEADER or kind == 0:  # the rest of a block is padding
            place += left
            continue
        content += data[place + HEADER : place + HEADER + size]
        place += HEADER + size
        if kind in (WHOLE, LAST):
            yield content
            content = b""
