"""Going on with a run that was stopped: its command line, its settings, and what else must be as it was."""

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
from gnn_distill.storage.settings import FOLDER, Settings, values, without_places

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
        folders = [_unquoted(word.removeprefix(WORD)) for word in words if word.startswith(WORD)]
        if len(folders) > 1 or {"-m", "--multirun"} & set(words):
            raise refuse("resume", ", ".join(folders), "one run at a time, and without -m.")
        folder = Path(folders[0])
        if not any((folder / name).is_file() for name in (RUN, f"{FOLDER}/overrides.yaml")):
            raise refuse("resume", folder, f"this is no folder of a run that has begun: it has no {RUN}.")
        return cls(folder, [word for word in words if not word.startswith(WORD)])

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return is_finished(self.folder)

    @cached_property
    def settings(self) -> Settings:
        """Those the run began with."""
        return Settings.read(self.folder)

    def words(self) -> list[str]:
        """The command line that made the run, what was given now coming last."""
        for word in self.settings.words:
            if word.startswith("-") or _key(word).startswith("hydra"):  # these could name code to be run
                raise refuse("resume", self.folder, f"its command line holds '{word}', which no run writes.")
        own = [f"--config-dir={folder}" for folder in self.settings.config_folders]
        keys = {_key(word) for word in self.given}
        return [
            *(own if not any(word.startswith("--config-dir") for word in self.given) else []),
            *(word for word in self.settings.words if _key(word) not in keys),
            *self.given,
            f"hydra.run.dir={for_hydra(self.folder)}",
        ]

    def settle(self, cfg: DictConfig) -> DictConfig:
        """`cfg` with the settings that the run began with.

        Raises:
            UserError: if words given now change them, or if this version does not know one of them.
        """
        saved = without_places(self.settings.config)
        if any(not word.lstrip("+~").startswith((*MAY_DIFFER, "-")) for word in self.given):
            if TABLE in map(_key, self.given):
                saved["dataset"]["path"] = cfg.dataset.path
            changes = list(_differences(saved, without_places(values(cfg))))
            if changes:
                more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
                raise refuse(
                    "resume",
                    self.folder,
                    f"the settings of a run that goes on cannot change: {'; '.join(changes[:SHOWN])}{more}. "
                    "Leave these out, or start a run of its own.",
                )
        try:
            for key, value in saved.items():
                OmegaConf.update(cfg, key, value)
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


def start_or_resume(
    directory: RunDirectory, config: str, settings: Settings, place: dict[str, Any], warn: Callable[[str], None]
) -> None:
    """Write down what run this is, or, of one that goes on, make sure that it is the same, and tell what has changed.

    run.json comes first: from then on the run can be gone on with, whatever becomes of .hydra/.

    Raises:
        UserError: if its settings are others.
    """
    facts = directory.facts
    now = {"code": place["code"]["sources"], "torch": place["packages"]["torch"]} | {
        key: place[key] for key in ("python", "threads", "device")
    }
    if not facts:
        directory.remember(config_hash=config, id=secrets.token_hex(4), resumed=0, began_on=now, **settings.facts())
        settings.write(directory.path)
        return
    if facts["config_hash"] != config:
        raise UserError(
            f"{directory.path}: the settings are not those of the run in this folder, or the data, weights or modules "
            "that they name have changed since this run began. Choose another folder."
        )
    if kept := Settings.among(facts):
        kept.write(directory.path)
    for text in describe_changes(facts["began_on"], now):
        warn(text)
    directory.remember(resumed=facts["resumed"] + 1)


def describe_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What a process has other than the one that began the run, and what comes of it."""
    changed = [key for key, value in now.items() if before.get(key) != value]
    if not changed:
        return
    told = [
        f"{before.get(key)} threads, and not {now[key]}" if key == "threads" else f"another {key}" for key in changed
    ]
    if changed == ["python"]:
        yield f"This run began with {told[0]}: its result may differ in the last digits."
    else:
        yield (
            f"This run began with {', '.join(told)}: it may end elsewhere than it would have. What the store has made "
            "for it stays; from here on sums may be taken in another order, which training amplifies, and a teacher "
            "that was not finished begins anew."
        )


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _unquoted(folder: str) -> str:
    """A folder as it was meant, if it was quoted for Hydra too."""
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
    return [] if one == other else [f"{key} was {_told(one)}, is {_told(other)}"]


def _told(value: Any) -> str:
    return "null" if value is None else str(value)
