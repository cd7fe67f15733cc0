"""`python -m benchmarks.first_step train ...`: the command line, ended at its first training step; prints the time.

Torch is imported only with the training loop, which imports it anyway, so the measured time does not change.
"""

import os
import sys
import time
from typing import Any


def leave(*_: Any) -> None:
    """Print the time and exit at once."""
    print(time.time(), flush=True)
    os._exit(0)


def listen(event: str, arguments: tuple) -> None:
    """Once training is imported, wait for the first step of any optimizer."""
    if event == "import" and arguments[0] == "gnn_distill.training.loop" and not listening:
        listening.append(event)
        from torch.optim.optimizer import register_optimizer_step_post_hook

        register_optimizer_step_post_hook(leave)


listening: list[str] = []

if __name__ == "__main__":
    sys.addaudithook(listen)
    from gnn_distill.cli.main import main

    main()
