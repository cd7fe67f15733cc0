"""When a device runs out of memory, the same stage continues with smaller batches."""

import gc
from collections.abc import Callable
from dataclasses import replace

import torch

from gnn_distill.errors import UserError
from gnn_distill.training.checkpointer import Checkpointer
from gnn_distill.training.console import Console
from gnn_distill.training.loop import FitResult

MOST_PARTS = 16


def fit_within_memory(
    attempt: Callable[[int], FitResult], checkpointer: Checkpointer, halve: bool, console: Console
) -> FitResult:
    """`attempt(parts)` fits with batches of 1/parts of their size; whenever memory runs out, `parts` doubles.

    The epoch that ran out is repeated, from what `checkpointer` holds.

    Raises:
        UserError: where a sixteenth is too much, or with halve=False.
    """
    kept = checkpointer.load()
    checkpointer.parts = kept["parts"] if kept else 1
    while True:
        try:
            return replace(attempt(checkpointer.parts), parts=checkpointer.parts)
        except torch.OutOfMemoryError as error:
            if not halve or 2 * checkpointer.parts > MOST_PARTS:
                raise UserError(
                    f"The device is out of memory, with batches of 1/{checkpointer.parts} of their size "
                    f"({str(error).splitlines()[0]}). Lower trainer.batch_size, trainer.max_pairs or "
                    "student.hidden_channels, or choose trainer.accelerator=cpu."
                ) from error
        # Outside of the handler, where the error no longer holds the tensors of its frames.
        checkpointer.parts *= 2
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        console.warn(f"Out of memory; continuing with batches of 1/{checkpointer.parts} of their size.")
