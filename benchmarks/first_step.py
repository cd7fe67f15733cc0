"""`python -m benchmarks.first_step train ...`: the command line, left at the first training step; tells when that was.

Torch is touched only when training is imported, which imports it anyway: what is measured stays as it is.
"""

import os
import sys
import time
from typing import Any


def leave(*_: Any) -> None:
    """Print the time and end, at once."""
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
