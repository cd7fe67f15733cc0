"""Run the command line in this process and let it be killed (-9): `killed_run.py PLAN WORD...`.

PLAN is JSON. {"stage": name, "delay": seconds}: so long after that stage begins. {"write": n}: in the middle of the
n-th file that is written, when half of it is there. {}: never.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gnn_distill import cli


def die() -> None:
    """What the kernel does to a process that is out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_stage(name: str, delay: float) -> None:
    """Let the clock run from the moment at which `commands.train` calls the stage."""
    from gnn_distill.commands import train

    stage: Callable = getattr(train, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        threading.Timer(delay, die).start()
        return stage(*args, **kwargs)

    setattr(train, name, timed)


def die_in_write(number: int) -> None:
    """Die as a file is about to be renamed, with only half of its bytes on the disk."""
    replace, seen = os.replace, []

    def torn(source: Path, target: Path) -> None:
        seen.append(target)
        if len(seen) == number:
            if Path(source).is_file():
                os.truncate(source, Path(source).stat().st_size // 2)
            print(f"torn: {target}", file=sys.stderr, flush=True)
            die()
        replace(source, target)

    os.replace = torn


def main() -> None:
    """Plan the end, then run."""
    match json.loads(sys.argv[1]):
        case {"stage": name, "delay": delay}:
            die_in_stage(name, delay)
        case {"write": number}:
            die_in_write(number)
    sys.argv = ["gnn-distill", *sys.argv[2:]]
    cli.main()


if __name__ == "__main__":
    main()
