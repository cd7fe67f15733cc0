"""The settings of a table's cells: composed and checked, or known from the last time the table was planned."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.module_files import PACKAGE, path_of
from gnn_distill.config.plugins import MODULES
from gnn_distill.errors import UserError
from gnn_distill.experiments.composing import Composer
from gnn_distill.storage.checksums import read_json, write_json
from gnn_distill.storage.provenance import AFTERWARDS, FILES, LOCATION_SECTIONS

PLAN = "plan.json"
MOST = 12 << 20
"""Characters of settings that are written: readers refuse a file of more than 16 MiB."""
Settings = dict[str, Any]


class CellSettings:
    """Resolved settings of cells, by their overrides; `folder`, if there is one, keeps them from one time to the next.

    A cell is composed again if a YAML file on Hydra's search path, the schema or its rules, or Hydra itself have
    changed, if a file that it names is not there, and if it refers to other keys or the environment (`${…}`). The first
    cell always is: what all cells need of this machine, such as a device, is checked with it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._composer, self._file, self._state = Composer(), folder / PLAN if folder else None, state()
        self._known = self._read() if self._file else {}
        self._used: dict[str, str] = {}
        """Settings that were asked for, as JSON."""
        self._referring: dict[str, DictConfig] = {}
        """Configs that refer to other keys, where a pair may change more than its own key."""

    def of(self, overrides: Sequence[str], pair: Mapping[str, int], where: str) -> Settings:
        """The settings of one run of a cell: without the places where it is stored, and what is done with it later.

        Raises UserError, beginning with `where`, if the overrides give an invalid config.
        """
        key = hashlib.sha256(json.dumps(overrides).encode()).hexdigest()
        if key in self._referring:
            for name, value in pair.items():
                OmegaConf.update(self._referring[key], name, value)
            return _identity(self._referring[key], resolve=True)
        if key not in self._used:
            text = self._known.get(key) if self._used or self._referring else None
            if text is None or not _files_exist(json.loads(text)):
                config = self._composer.validated(overrides, where)
                text = json.dumps(_identity(config, resolve=False))
                if "${" in text:
                    self._referring[key] = config
                    return self.of(overrides, pair, where)
            self._used[key] = text
        settings = json.loads(self._used[key])
        for name, value in pair.items():
            section, _, last = name.rpartition(".")
            (settings[section] if section else settings)[last] = value
        return settings

    def write(self) -> None:
        """Keep what was composed for the next time, if the folder can be written to."""
        kept, left = {}, MOST
        for key, text in (self._used | self._known).items():
            if (left := left - len(text)) > 0:
                kept[key] = text
        if self._file and kept.keys() != self._known.keys():
            with suppress(UserError, OSError):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                write_json(self._file, {"state": self._state, "cells": kept})

    def _read(self) -> dict[str, str]:
        try:
            found = read_json(self._file)
        except UserError:  # not there, damaged, or of another version
            return {}
        return found["cells"] if found.get("state") == self._state else {}


def state() -> str:
    """A hash of all that composing and checking a config read, but for files of data and what the machine has."""
    entries = GlobalHydra.instance().config_loader().get_search_path().get_path()
    digest = hashlib.sha256(json.dumps([version("hydra-core"), version("omegaconf"), *map(str, entries)]).encode())
    folders = [Path(entry.path.removeprefix("file://")) for entry in entries]
    code = [PACKAGE / "config", *(path_of(package).parent for package in MODULES.values())]
    for path in (*_below(folders, "*.yaml"), *_below(code, "*.py")):
        digest.update(f"{path}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _below(folders: Iterable[Path], pattern: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in folder.rglob(pattern) if path.is_file())


def _identity(config: DictConfig, resolve: bool) -> Settings:
    """What identifies a run, as plain containers; without `resolve` with references instead of what is behind them."""
    values = OmegaConf.to_container(config, resolve=resolve)
    return {name: value for name, value in values.items() if name not in (*LOCATION_SECTIONS, *AFTERWARDS)}


def _files_exist(settings: Settings) -> bool:
    keys = (key.split(".") for key in FILES)
    paths = (settings[section].get(name) for section, name in keys)
    return all(Path(path).expanduser().is_file() for path in paths if path is not None)
