"""Words without a key on the command line: rewritten to keys, command by command."""

from itertools import takewhile
from pathlib import Path

from gnn_distill.config.quoting import for_hydra


def named_path(words: list[str]) -> list[str]:
    """The words after `report`; a path in front becomes report.path=PATH."""
    match words:
        case [path, *rest] if _is_path(path):
            return [f"report.path={for_hydra(path)}", *rest]
    return words


def named_action(words: list[str]) -> list[str]:
    """The words after `store`; a plain word in front becomes store.action=WORD."""
    match words:
        case [action, *rest] if action.isalpha():
            return [f"store.action={action}", *rest]
    return words


def named_runs(words: list[str]) -> list[str]:
    """The words after `probe`; paths in front become probe.runs=[PATH,…]."""
    paths = list(takewhile(_is_path, words))
    runs = [f"probe.runs={_listed(paths)}"] if paths else []
    return [*runs, *words[len(paths) :]]


def named_files(words: list[str]) -> list[str]:
    """The words after `predict`: of paths in front the last becomes input=PATH, the others runs=[PATH,…].

    -o PATH and --output PATH, anywhere, become output=PATH. A single path is a run.
    """
    output: list[str] = []
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        flag, given, path = word.partition("=")
        if flag not in ("-o", "--output"):
            rest.append(word)
        elif path := path if given else next(waiting, ""):
            output = [f"output={for_hydra(path)}"]
    paths = list(takewhile(_is_path, rest))
    rest = rest[len(paths) :]
    if len(paths) > 1 and not any(word.startswith("input=") for word in rest):
        output = [f"input={for_hydra(paths.pop())}", *output]
    return [*([f"runs={_listed(paths)}"] if paths else []), *output, *rest]


def named_input(words: list[str]) -> list[str]:
    """The words after `convert`: as after `predict`, but the only path in front is the input."""
    return [f"input={word[6:-1]}" if word.startswith("runs=[") else word for word in named_files(words)]


def _is_path(word: str) -> bool:
    return not word.startswith("-") and ("=" not in word or Path(word).exists())


def _listed(paths: list[str]) -> str:
    return f"[{','.join(map(for_hydra, paths))}]"


POSITIONAL = {
    "report": named_path,
    "store": named_action,
    "probe": named_runs,
    "predict": named_files,
    "convert": named_input,
}
"""For commands that take a word without a key: the function that rewrites their words."""
