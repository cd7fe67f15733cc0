"""Command line: `gnn-distill COMMAND [overrides]`, where each COMMAND is a Hydra application."""

import errno
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gnn_distill import __version__, ranks
from gnn_distill.cli.commands import COMMANDS, CONF_DIR, usage
from gnn_distill.cli.launchers import is_follower, launched
from gnn_distill.errors import MissingValue, UserError, printable, suggest
from gnn_distill.interruption import Interrupted, Interruption
from gnn_distill.training.terminal import UnfailingStream

if TYPE_CHECKING:
    from gnn_distill.storage.resume import Resumption


def main() -> None:
    """Run the command line, with garbage collection off until the task starts."""
    # Imports make a million objects, all of which stay: checking them for garbage takes a quarter of the start-up.
    gc.disable()
    try:
        dispatch()
    finally:
        gc.enable()


def collect_garbage() -> None:
    """Turn garbage collection on, without the objects that imports have made."""
    if not gc.isenabled():
        if not gc.get_freeze_count():  # once per process: later it would keep garbage
            gc.freeze()
        gc.enable()


def dispatch() -> None:
    """Run the command named by the first argument."""
    os.environ["MPLBACKEND"] = "agg"  # figures are written to files: no window, whatever the environment sets
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (it stays open)
        if hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")  # a terminal without such characters gets escapes
    if (found := launched()) and found.size > 1:
        # Of sleeping terms PyTorch would warn that they might be awake, in all processes and from C++.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    match sys.argv[1:]:
        case [] | ["-h" | "--help", *_]:
            print(usage())
        case ["--version", *_]:
            print(f"gnn-distill {__version__}")
        case ["--completion", *words]:
            set_up_completion(words[0] if words else "bash")
        case ["--complete", *words]:
            complete(words or [""])
        case words if {*words} & {"-sc", "--shell-completion"}:
            complete_by_hydras_words(words)
        case [command, *words] if command in COMMANDS and {*words} & {"-h", "--help"}:
            with error_boundary(command):
                from gnn_distill.cli.help import print_help

                print_help(command, COMMANDS[command].rewritten(words))
        case ["train", *words] if any(word.startswith("resume=") for word in words):
            resume(words)
        case [command, *words] if command in COMMANDS:
            with error_boundary(command):
                sys.argv[1:] = COMMANDS[command].rewritten(words)
            run(command)
        case [word, *_]:
            hint = suggest(word, COMMANDS)
            print(printable(f"gnn-distill: unknown command '{word}'.{hint}\n\n{usage()}"), file=sys.stderr)
            sys.exit(2)


PATIENCE_WITH_FIRST = 2.0
"""Seconds until a process prints an error that none but it may have."""
LONG = ("train", "compare", "crossval", "table", "tune", "separate", "predict", "explain", "probe", "convert", "export")
"""Commands that continue when the reader of their output is gone."""


def resume(words: list[str]) -> None:
    """Resume the run that `resume=FOLDER` names; a finished one is left as it is."""
    with error_boundary("train"):
        from gnn_distill.storage.resume import Resumption

        try:
            stopped = Resumption.from_argv(words)
            if stopped.finished:
                if not is_follower():
                    print(f"{stopped.folder}: this run is finished; there is nothing left to do.")
                return
            sys.argv[1:] = stopped.argv()
        except UserError as error:
            raise SystemExit(1) from error
    run("train", stopped)


def run(command: str, stopped: "Resumption | None" = None) -> None:
    """Run `command` as a Hydra application with the primary config `conf/<command>.yaml`."""
    with error_boundary(command):
        import hydra

        from gnn_distill.config import schema

        if any(word.startswith("-") for word in sys.argv[1:]):
            from gnn_distill.cli.dashes import check_dashes

            check_dashes(command, sys.argv[1:])
        schema.register()
        app = hydra.main(config_path=str(CONF_DIR), config_name=command, version_base="1.3")(
            make_task(command, stopped)
        )
        with redirect_stdout(UnfailingStream(sys.stdout)) if command in LONG else nullcontext():
            app()


@contextmanager
def error_boundary(command: str) -> Iterator[None]:
    """Turn errors that the user caused into one message and an exit code; HYDRA_FULL_ERROR=1 keeps the traceback."""
    signals = Interruption()
    try:
        # The other commands have nothing to resume themselves: each of their runs handles signals.
        with raw_errors() as full_trace, signals if command == "train" else nullcontext():
            yield
    except KeyboardInterrupt:
        sys.exit(130)
    except Interrupted as signal:
        end_by(signal, command)
    except (Exception, SystemExit) as stop:
        if signals.asked:  # it came during an import that turned it into another exception
            end_by(Interrupted(signals.asked), command)
        if isinstance(stop.__cause__ or stop, BrokenPipeError):  # the reader, such as `head`, has closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        from gnn_distill.config.hydra_errors import explain

        error = explain(stop)
        if error is None:
            raise
        if full_trace:
            raise error from stop
        if not (command == "train" and is_follower() and is_told_by_first()):
            usage = ""
            if isinstance(error, MissingValue) and COMMANDS[command].needs_words:
                usage = f" Usage: gnn-distill {command} {COMMANDS[command].words}"
            print(printable(f"gnn-distill {command}: {error}{usage}"), file=sys.stderr)
        sys.exit(error.exit_code)


def is_told_by_first() -> bool:
    """Whether the first process of a run prints an error of this one: then its launcher ends this one meanwhile."""
    if ranks.size() > 1:
        time.sleep(PATIENCE_WITH_FIRST)
    return ranks.size() == 1


def end_by(signal: Interrupted, command: str) -> NoReturn:
    """Exit with a signal's code; with a message, unless the run has printed one (a table's run prints to its log)."""
    if command != "train" or not (signal.announced or is_follower()):
        print(f"gnn-distill {command}: stopped by {signal}. Start the same command again to continue.", file=sys.stderr)
    sys.exit(signal.exit_code)


def make_task(command: str, stopped: "Resumption | None" = None) -> Callable[[Any], Any]:
    """The function that Hydra calls with the config of each job; a sweeper optimises its return value."""

    launcher = os.getpid()

    def task(cfg: Any) -> Any:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        from gnn_distill.interruption import working_for

        try:
            main = import_module(f"gnn_distill.cli.{command}").main
            collect_garbage()
            with working_for(launcher):
                return main(checked(stopped.apply_to(cfg)), resume=True) if stopped else main(checked(cfg))
        except (UserError, OSError) as error:
            if HydraConfig.get().mode == RunMode.MULTIRUN or not (
                isinstance(error, UserError) or is_output_error(error)
            ):
                raise  # the sweeper decides whether the other jobs continue
            # Of any other exception Hydra prints a line of its own.
            raise SystemExit(1) from error

    # Hydra names the job, and with it the run directory, after the task's module.
    task.__module__ = f"gnn_distill.cli.{command}"
    return task


def checked(cfg: Any) -> Any:
    """The config, validated; the error of a sweep's job is also written to its folder."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from gnn_distill.config.check import validate
    from gnn_distill.storage.run_directory import SUMMARY, write_failure

    try:
        return validate(cfg)
    except UserError as error:
        folder = Path(HydraConfig.get().runtime.output_dir)
        if HydraConfig.get().mode == RunMode.MULTIRUN and not (folder / SUMMARY).exists():
            with suppress(UserError):
                write_failure(folder, error)
        raise


def is_output_error(error: OSError) -> bool:
    """Whether an output stream failed: its disk is full, or its reader or terminal is gone."""
    return error.filename is None and error.errno in (errno.EPIPE, errno.ENOSPC, errno.EIO)


@contextmanager
def raw_errors() -> Iterator[bool]:
    """Let Hydra raise its errors instead of printing them; yields whether the user asked for full traces."""
    name = "HYDRA_FULL_ERROR"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield before == "1"
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def complete(words: list[str]) -> None:
    """Print what the last word of a command line can become, one per line."""
    if len(words) == 1:
        found = [name for name in (*COMMANDS, "--help", "--version", "--completion") if name.startswith(words[0])]
    else:
        from gnn_distill.cli.completion import candidates

        found = candidates(words)
    print("\n".join(found))


def complete_by_hydras_words(words: list[str]) -> None:
    """Do what Hydra's flag -sc asks for: query=SHELL, install=SHELL or uninstall=SHELL, also after a command."""
    match [word.partition("=") for word in words if word.startswith(("query=", "install=", "uninstall="))]:
        case [("query", _, _)]:
            complete(os.environ.get("COMP_LINE", " ").split(" ")[1:])
        case [(asked, _, shell)]:
            set_up_completion(shell, remove=asked == "uninstall")
        case _:
            with error_boundary("-sc"):
                raise UserError("say what: -sc install=SHELL or -sc uninstall=SHELL, for bash, zsh or fish.")


def set_up_completion(shell: str, remove: bool = False) -> None:
    """Print what a shell runs to complete commands, or no longer to."""
    with error_boundary("--completion"):
        from gnn_distill.cli.completion import removal, script

        print(removal(shell) if remove else script(shell), end="")
