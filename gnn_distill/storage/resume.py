"""Resuming a stopped run: its command line, its settings, and what else must be unchanged."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gnn_distill.config.quoting import for_hydra
from gnn_distill.errors import UserError, refuse
from gnn_distill.storage.run_directory import RUN, RunDirectory, is_finished
from gnn_distill.storage.settings import FOLDER, Settings, values, without_locations

WORD = "resume="
FILES = ("path", "unlabelled")
"""Keys of `dataset` that name files, which may have been moved since: their content is part of the settings' hash."""
MAY_DIFFER = ("paths.", "tracker", "hydra")
SHOWN = 5


@dataclass(frozen=True)
class Resumption:
    """A run to resume, and the further words of the command line."""

    folder: Path
    given: list[str]

    @classmethod
    def from_argv(cls, words: Sequence[str]) -> "Resumption":
        """The run named by `resume=FOLDER` among the words of a command line.

        Raises:
            UserError: if the folder contains no run.
        """
        folders = [_unquoted(word.removeprefix(WORD)) for word in words if word.startswith(WORD)]
        if len(folders) > 1 or {"-m", "--multirun"} & set(words):
            raise refuse("resume", ", ".join(folders), "only one run at a time can be resumed, and without -m.")
        folder = Path(folders[0])
        if not any((folder / name).is_file() for name in (RUN, f"{FOLDER}/overrides.yaml")):
            raise refuse("resume", folder, f"this is not the folder of a started run: it has no {RUN}.")
        return cls(folder, [word for word in words if not word.startswith(WORD)])

    @property
    def finished(self) -> bool:
        """Whether the run has finished."""
        return is_finished(self.folder)

    @cached_property
    def settings(self) -> Settings:
        """The settings the run started with."""
        return Settings.read(self.folder)

    def argv(self) -> list[str]:
        """The command line that started the run, with the words given now last.

        It names the data set that was chosen by default, which may be another now.
        """
        for word in self.settings.words:
            if word.startswith("-") or _key(word).startswith("hydra"):  # these could name code to execute
                raise refuse("resume", self.folder, f"its command line contains '{word}', which no run writes.")
        own = [f"--config-dir={folder}" for folder in self.settings.config_folders]
        keys = {_key(word) for word in self.given}
        named = "dataset" in {*keys, *map(_key, self.settings.words)}
        return [
            *(own if not any(word.startswith("--config-dir") for word in self.given) else []),
            *([f"dataset={self.settings.dataset}"] if self.settings.dataset and not named else []),
            *(word for word in self.settings.words if _key(word) not in keys),
            *self.given,
            f"hydra.run.dir={for_hydra(self.folder)}",
        ]

    def apply_to(self, cfg: DictConfig) -> DictConfig:
        """`cfg` with the settings that the run started with.

        Raises:
            UserError: if the words given now change them, or if this version does not know one of them.
        """
        saved = without_locations(self.settings.config)
        if any(not word.lstrip("+~").startswith((*MAY_DIFFER, "-")) for word in self.given):
            for name in FILES:
                if f"dataset.{name}" in map(_key, self.given):
                    saved["dataset"][name] = cfg.dataset[name]
            changes = list(_differences(saved, without_locations(values(cfg))))
            if changes:
                more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
                raise refuse(
                    "resume",
                    self.folder,
                    f"the settings of a resumed run cannot change: {'; '.join(changes[:SHOWN])}{more}. "
                    "Leave these out, or start a new run.",
                )
        try:
            for key, value in saved.items():
                OmegaConf.update(cfg, key, value)
        except OmegaConfBaseException as error:
            message = str(error).splitlines()[0]
            raise refuse("resume", self.folder, f"this version cannot read its settings: {message}") from error
        return cfg


class Seconds:
    """How long each stage took, over all processes that a run needed."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self.total: dict[str, float] = directory.facts.setdefault("seconds", {})

    @contextmanager
    def of(self, stage: str, earlier: Callable[[], float] = lambda: 0.0) -> Iterator[None]:
        """Record how long the block took, plus what it took `earlier` if it was stopped before it could be recorded."""
        started, stopped = time.perf_counter(), stage not in self.total
        yield
        seconds = time.perf_counter() - started + (earlier() if stopped else 0.0)
        self.total[stage] = round(self.total.get(stage, 0.0) + seconds, 3)
        self._directory.remember()


def start_or_resume(
    directory: RunDirectory, config: str, settings: Settings, environment: dict[str, Any], warn: Callable[[str], None]
) -> None:
    """Record the identity of a new run; for a resumed one, check that it is the same, and warn of what has changed.

    run.json is written first: from then on the run can be resumed, whatever happens to .hydra/.

    Raises:
        UserError: if its settings differ.
    """
    facts = directory.facts
    now = {"code": environment["code"]["sources"], "torch": environment["packages"]["torch"]} | {
        key: environment[key] for key in ("python", "threads", "device")
    }
    if not facts:
        directory.remember(config_hash=config, id=secrets.token_hex(4), resumed=0, began_on=now, **settings.facts())
        settings.write(directory.path)
        return
    if facts["config_hash"] != config:
        raise UserError(
            f"{directory.path}: the settings differ from those of the run in this folder, or the data, weights or "
            "modules that they name have changed since it started. Choose another folder."
        )
    if saved := Settings.from_facts(facts):
        saved.write(directory.path)
    for text in describe_changes(facts["began_on"], now):
        warn(text)
    directory.remember(resumed=facts["resumed"] + 1)


def describe_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """How the environment differs from the one in which the run started, and what follows from that."""
    changed = [key for key, value in now.items() if before.get(key) != value]
    if not changed:
        return
    differences = [
        f"{before.get(key)} threads (now {now[key]})" if key == "threads" else f"another {key}" for key in changed
    ]
    if changed == ["python"]:
        yield f"This run started with {differences[0]}: its result may differ in the last digits."
    else:
        yield (
            f"This run started with {', '.join(differences)}: its result may differ from that of an uninterrupted run. "
            "Its entries in the store stay valid; from here on sums may be taken in another order, which training "
            "amplifies, and an unfinished teacher is trained from scratch."
        )


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _unquoted(folder: str) -> str:
    """A folder without the quotes that Hydra would need."""
    quoted = len(folder) > 1 and folder[0] == folder[-1] and folder[0] in "'\""
    return folder[1:-1] if quoted and not Path(folder).exists() else folder


def _differences(one: Any, other: Any, key: str = "") -> list[str]:
    """`optim.lr was 0.001, is 0.01`, for every value that differs."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = dict.fromkeys([*one, *other])
        return [
            text
            for name in keys
            for text in _differences(one.get(name), other.get(name), f"{key}.{name}" if key else str(name))
        ]
    return [] if one == other else [f"{key} was {_text(one)}, is {_text(other)}"]


def _text(value: Any) -> str:
    return "null" if value is None else str(value)
