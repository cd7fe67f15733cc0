"""Going on with a run that was stopped: its command line, its settings, and what else must be as it was."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gnn_distill.bounded import read_yaml
from gnn_distill.environment import PLACES
from gnn_distill.errors import UserError, making_sense, refuse
from gnn_distill.run_directory import RunDirectory, is_finished

if TYPE_CHECKING:
    from gnn_distill.console import Console

WORD = "resume="
TABLE = "dataset.path"
"""The file of a CSV run, which may have been moved since: its content is part of the hash of the settings."""
MAY_DIFFER = ("paths.", "tracker", "hydra")
SHOWN = 5


@dataclass(frozen=True)
class Resumption:
    """A run to go on with, and what was said beside its folder."""

    folder: Path
    given: list[str]

    @classmethod
    def among(cls, words: Sequence[str]) -> "Resumption":
        """What `resume=FOLDER`, which stands among the words of a command line, asks for.

        Raises:
            UserError: if the folder holds no run.
        """
        folders = [word.removeprefix(WORD).strip("'\"") for word in words if word.startswith(WORD)]
        if len(folders) > 1 or {"-m", "--multirun"} & set(words):
            raise refuse("resume", ", ".join(folders), "one run at a time, and without -m.")
        folder = Path(folders[0])
        if not (folder / ".hydra" / "overrides.yaml").is_file():
            raise refuse("resume", folder, "this is no folder of a run: it has no .hydra/overrides.yaml.")
        return cls(folder, [word for word in words if not word.startswith(WORD)])

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return is_finished(self.folder)

    def words(self) -> list[str]:
        """The command line that made the run, what was given now coming last."""
        with making_sense(self.folder / ".hydra", "Restore it, or start the run anew."):
            overrides = [str(text) for text in self._read("overrides.yaml")]
            folders = self._read("hydra.yaml").hydra.runtime.config_sources
            own = [f"--config-dir={folder.path}" for folder in folders if folder.provider == "command-line"]
        for word in overrides:
            if word.startswith("-") or _key(word).startswith("hydra"):  # these could name code to be run
                raise refuse("resume", self.folder, f"its .hydra/overrides.yaml holds '{word}', which no run writes.")
        keys = {_key(word) for word in self.given}
        return [
            *(own if not any(word.startswith("--config-dir") for word in self.given) else []),
            *(word for word in overrides if _key(word) not in keys),
            *self.given,
            f"hydra.run.dir='{self.folder}'",
            "hydra.output_subdir=null",  # the settings written there stay as they are
        ]

    def _read(self, name: str) -> DictConfig | ListConfig:
        return read_yaml(self.folder / ".hydra" / name, self.folder, "Restore it, or start the run anew.")

    def settle(self, cfg: DictConfig) -> DictConfig:
        """`cfg` with the settings that the run began with.

        Raises:
            UserError: if words given now change them, or if this version does not know one of them.
        """
        with making_sense(self.folder / ".hydra" / "config.yaml", "Restore it, or start the run anew."):
            saved = self._read("config.yaml")
        if any(not word.lstrip("+~").startswith((*MAY_DIFFER, "-")) for word in self.given):
            before, now = _plain(saved), _plain(cfg)
            if TABLE in map(_key, self.given):
                saved.dataset.path = before["dataset"]["path"] = cfg.dataset.path
            changes = list(_differences(before, now))
            if changes:
                more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
                raise refuse(
                    "resume",
                    self.folder,
                    f"the settings of a run that goes on cannot change: {'; '.join(changes[:SHOWN])}{more}. "
                    "Leave these out, or start a run of its own.",
                )
        try:
            for key in saved:
                if key not in PLACES:
                    OmegaConf.update(cfg, key, saved[key])
        except OmegaConfBaseException as error:
            said = str(error).splitlines()[0]
            raise refuse("resume", self.folder, f"this version cannot read its settings: {said}") from error
        return cfg


class Seconds:
    """How long each stage took, over all processes that a run needed."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self.total: dict[str, float] = directory.facts.setdefault("seconds", {})

    @contextmanager
    def of(self, stage: str, earlier: Callable[[], float] = lambda: 0.0) -> Iterator[None]:
        """Write down how long the block took, once it has ended, and what it took `earlier`, where it was stopped."""
        started, stopped = time.perf_counter(), stage not in self.total
        yield
        seconds = time.perf_counter() - started + (earlier() if stopped else 0.0)
        self.total[stage] = round(self.total.get(stage, 0.0) + seconds, 3)
        self._directory.remember()


def begin_or_go_on(directory: RunDirectory, config: str, place: dict[str, Any], console: "Console") -> None:
    """Write down what run this is, or, of one that goes on, make sure that it is the same, and tell what has changed.

    Raises:
        UserError: if its settings are others.
    """
    facts = directory.facts
    now = {"code": place["code"]["sources"], "torch": place["packages"]["torch"]} | {
        key: place[key] for key in ("python", "threads", "device")
    }
    if not facts:
        directory.remember(config_hash=config, id=secrets.token_hex(4), resumed=0, began_on=now)
        return
    if facts["config_hash"] != config:
        raise UserError(
            f"{directory.path}: the settings are not those of the run in this folder, or the data, weights or modules "
            "that they name have changed since this run began. Choose another folder."
        )
    if changed := [key for key, value in now.items() if facts["began_on"].get(key) != value]:
        console.warn(f"This run began with another {', '.join(changed)}: its result may differ in the last digits.")
    directory.remember(resumed=facts["resumed"] + 1)


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _plain(cfg: DictConfig) -> dict[str, Any]:
    return {
        key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        for key, value in cfg.items()
        if key not in PLACES
    }


def _differences(one: Any, other: Any, key: str = "") -> list[str]:
    """`optim.lr was 0.001, is 0.01`, for every value that differs."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = dict.fromkeys([*one, *other])
        return [
            text
            for name in keys
            for text in _differences(one.get(name), other.get(name), f"{key}.{name}" if key else str(name))
        ]
    return [] if one == other else [f"{key} was {_told(one)}, is {_told(other)}"]


def _told(value: Any) -> str:
    return "null" if value is None else str(value)
