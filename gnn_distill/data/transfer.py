"""Batches on their way to a device."""

from collections.abc import Iterator
from typing import Generic, TypeVar

import torch
from jaxtyping import UInt8
from torch import Tensor

from gnn_distill.data.packed import map_tensors, moved
from gnn_distill.data.prefetch import prefetched

T = TypeVar("T")
ALIGNED = 64
"""Every tensor in a buffer begins at a multiple of so many bytes."""


def sent(items: Iterator[T], device: torch.device) -> Iterator[T]:
    """The same items with all tensors in them on a device.

    A thread makes them ahead for a GPU, and copies each in one piece, from page-locked memory, on a stream of its own:
    neither does the host wait for the copy, nor what the GPU computes meanwhile. On a CPU this would gain nothing.
    """
    if device.type != "cuda":
        yield from items if device.type == "cpu" else (moved(item, device) for item in items)
        return
    copying = torch.cuda.Stream(device)

    def copies() -> Iterator[tuple[OneBuffer[T], Tensor, torch.cuda.Event]]:
        for item in items:
            whole = OneBuffer(item, pinned=True)
            with torch.cuda.stream(copying):
                there = whole.buffer.to(device, non_blocking=True)
            yield whole, there, copying.record_event()

    for whole, there, arrived in prefetched(copies()):
        computing = torch.cuda.current_stream(device)
        computing.wait_event(arrived)
        there.record_stream(computing)  # its memory is free for other copies only when this stream has read it
        yield whole.within(there)


class OneBuffer(Generic[T]):
    """The bytes of all tensors in a record in one buffer; sparse tensors stay apart."""

    def __init__(self, record: T, pinned: bool = False) -> None:
        self._record, self._starts = record, [0]
        tensors: list[Tensor] = []
        map_tensors(record, lambda tensor: tensors.append(tensor) or tensor)
        tensors = [tensor for tensor in tensors if tensor.layout == torch.strided]
        for tensor in tensors:
            self._starts.append(self._starts[-1] - (-tensor.nbytes // ALIGNED * ALIGNED))
        self.buffer: UInt8[Tensor, " bytes"] = torch.empty(self._starts[-1], dtype=torch.uint8, pin_memory=pinned)
        for start, tensor in zip(self._starts, tensors, strict=False):
            _view(self.buffer, start, tensor).copy_(tensor)

    def within(self, buffer: UInt8[Tensor, " bytes"]) -> T:
        """The record whose tensors are parts of this buffer, a copy of that one on any device."""
        starts = iter(self._starts)

        def view(tensor: Tensor) -> Tensor:
            if tensor.layout != torch.strided:
                return tensor.to(buffer.device)
            return _view(buffer, next(starts), tensor)

        return map_tensors(self._record, view)


def _view(buffer: Tensor, start: int, like: Tensor) -> Tensor:
    return buffer[start : start + like.nbytes].view(like.dtype).view(like.shape)
