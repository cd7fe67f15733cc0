"""The processes that make one run together, a device each: which one this is, and what they tell one another.

In one process, which is the rule, nothing here does anything. Every function is called by all processes in the same
order, or none of them returns.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
PATIENCE = timedelta(days=30)
"""How long processes wait for one that is busy alone, with encodings say; one that has ended is noticed at once."""
LOST = (
    *("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Connection refused"),
    *("Socket Timeout", "remote process exit"),
)
"""Words in errors of a process whose partner has ended."""
_groups: dict[str, Any] = {}


def rank() -> int:
    """The number of this process, from 0."""
    return _groups["world"].rank() if _groups else 0


def size() -> int:
    """The number of processes."""
    return _groups["world"].size() if _groups else 1


def is_first() -> bool:
    """Whether this process writes and speaks for all of them."""
    return rank() == 0


def join(backend: str) -> None:
    """Meet the other processes, which torchrun's variables name, unless this was done: RANK, WORLD_SIZE, MASTER_ADDR, …

    backend: of gradients and states. What processes tell one another besides goes by gloo, and waits for no GPU.
    """
    import torch
    from torch import distributed

    if _groups or int(os.environ["WORLD_SIZE"]) == 1:
        return
    if backend == "nccl":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group(backend, timeout=PATIENCE)
    # Groups of their own: what a loss gathers must not get between the gradients, in whichever order those come.
    _groups["control"] = distributed.new_group(backend="gloo", timeout=PATIENCE)
    _groups["rows"] = distributed.new_group(timeout=PATIENCE)
    _groups["world"] = distributed.group.WORLD


def leave() -> bool:
    """The end of what `join` began, once all are here; whether this is the first process, or was the only one."""
    from torch import distributed

    first = is_first()
    if _groups:
        wait()
        _groups.clear()
        distributed.destroy_process_group()
    return first


def any_of(*flags: bool) -> list[bool]:
    """Of each flag whether it is set in any process."""
    if not _groups:
        return list(flags)
    import torch
    from torch import distributed

    values = torch.tensor(flags, dtype=torch.uint8)
    distributed.all_reduce(values, distributed.ReduceOp.MAX, group=_groups["control"])
    return values.bool().tolist()


def from_first(make: Callable[[], T]) -> T:
    """What `make` returns in the first process, in all of them; no other process calls it."""
    if not _groups:
        return make()
    from torch import distributed

    box = [make() if is_first() else None]
    distributed.broadcast_object_list(box, group=_groups["control"], device="cpu")
    return box[0]


def wait() -> None:
    """Go on once all processes are here."""
    any_of(False)


@contextmanager
def first_alone() -> Iterator[None]:
    """The block is run by the first process, then by all others: what it leaves on disk is there for these."""
    if not is_first():
        wait()
    yield
    if is_first():
        wait()


def total(values: "Tensor") -> "Tensor":
    """The sum over all processes of a tensor of numbers, without a gradient; the same digits in all of them."""
    if not _groups:
        return values
    from torch import distributed

    values = values.detach().clone()
    distributed.all_reduce(values, group=_group(values))
    return values


def rows_of_all(rows: "Tensor", counts: list[int] | None = None) -> "Tensor":
    """The rows of all processes, one process after the other, without a gradient; `counts`: how many are whose."""
    if not _groups:
        return rows
    import torch
    from torch import distributed

    counts = counts or counts_of(len(rows))
    padded = rows.new_zeros(max(counts), *rows.shape[1:])
    padded[: len(rows)] = rows.detach()
    parts = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(parts, padded, group=_group(rows))
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def counts_of(count: int) -> list[int]:
    """A number of each process."""
    import torch
    from torch import distributed

    counts = torch.zeros(size(), dtype=torch.long)
    counts[rank()] = count
    distributed.all_reduce(counts, group=_groups["control"])
    return counts.tolist()


def _group(values: "Tensor") -> Any:
    return _groups["control" if values.device.type == "cpu" else "rows"]


def is_loss_of_another(error: BaseException) -> bool:
    """Whether an error says that another process has ended."""
    return bool(_groups) and isinstance(error, RuntimeError) and any(word in str(error) for word in LOST)
