"""Words without a key on the command line, rewritten to keys: a function for each kind of command."""

from dataclasses import fields, is_dataclass
from itertools import takewhile
from pathlib import Path

from gnn_distill.config.quoting import for_hydra
from gnn_distill.errors import UserError


def named_reports(words: list[str]) -> list[str]:
    """The words after `report`; of paths in front the first becomes report.path=PATH, others report.beside=[PATH,…]."""
    first, *beside = list(takewhile(_is_path, words)) or [""]
    if not first:
        return words
    rest = words[1 + len(beside) :]
    return [f"report.path={for_hydra(first)}", *([f"report.beside={_listed(beside)}"] if beside else []), *rest]


def named_places(words: list[str]) -> list[str]:
    """The words after `runs`; paths in front become places=[PATH,…]."""
    paths = list(takewhile(_is_path, words))
    return [*([f"places={_listed(paths)}"] if paths else []), *words[len(paths) :]]


def given_to_all(words: list[str]) -> list[str]:
    """The words after `compare`; those that are no keys of its own, but of `train`, become given=[WORD,…]."""
    from gnn_distill.config.schema.compare import CompareCommand

    return _given(words, CompareCommand)


def given_to_folds(words: list[str]) -> list[str]:
    """The words after `crossval`, in the same way."""
    from gnn_distill.config.schema.crossval import CrossvalCommand

    return _given(words, CrossvalCommand)


def _given(words: list[str], command: type) -> list[str]:
    """Files of a section, as in trainer=small, are those of `train`, but for a table and a tracker."""
    sections = {field.name: is_dataclass(field.type) for field in fields(command)}

    def is_own(word: str) -> bool:
        key = word.lstrip("+~").partition("=")[0]
        section, dot, _ = key.partition(".")
        whole = section in ("table", "tracker") or not sections.get(section, True)
        return section.startswith(("-", "hydra")) or (section in sections and (dot != "" or whole))

    given = [word for word in words if "=" in word and not is_own(word)]
    return [*([f"given={_listed(given)}"] if given else []), *(word for word in words if word not in given)]


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
    runs, others = _runs_and_others(words)
    return [*([f"runs={_listed(runs)}"] if runs else []), *others]


def _runs_and_others(words: list[str]) -> tuple[list[str], list[str]]:
    """Of the words after `predict` the paths of runs, and all else as keys."""
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
    return paths, [*output, *rest]


def named_input(words: list[str]) -> list[str]:
    """The words after `convert`: as after `predict`, but the only path in front is the input."""
    return _named_one("input", words)


def named_run(words: list[str]) -> list[str]:
    """The words after `explain` and `export`: as after `predict`, with one run."""
    return _named_one("run", words)


def _named_one(key: str, words: list[str]) -> list[str]:
    """As after `predict`, but what are its runs there becomes the one value of a key.

    Raises:
        UserError: for several.
    """
    found, others = _runs_and_others(words)
    if len(found) > 1:
        raise UserError(f"{key}={','.join(map(for_hydra, found))}: one at a time. Name a single {key}.")
    return [*(f"{key}={for_hydra(path)}" for path in found), *others]


def _is_path(word: str) -> bool:
    return not word.startswith("-") and ("=" not in word or Path(word).exists())


def _listed(paths: list[str]) -> str:
    return f"[{','.join(map(for_hydra, paths))}]"
