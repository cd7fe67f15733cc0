"""Composing many configs of `train` as Hydra does, but doing once what they share.

Hydra merges the files that the choices of groups name (`loss=kd`), then sets single keys (`seed=1`). Cells of a table
share files, and often all choices. Every step here is Hydra's own function; what is shared is only done once.
"""

import pickle
from collections.abc import Sequence
from copy import deepcopy
from functools import cache

import hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.defaults_list import create_defaults_list
from hydra.core.default_element import ResultDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from gnn_distill.config.check import validate
from gnn_distill.config.hydra_errors import explain
from gnn_distill.errors import UserError

CONFIG = "train"


class Composer:
    """Composes configs of `train`; needs a running Hydra, whose files it reads once."""

    def __init__(self) -> None:
        self._loader = GlobalHydra.instance().config_loader()
        self._files = CachingConfigRepository(self._loader.repository)
        self._parse = cache(OverridesParser.create().parse_override)
        self._is_group = cache(self._files.group_exists)
        self._parts: dict[tuple[str | None, str | None, bool | None], DictConfig] = {}
        self._merged: dict[tuple[str, ...], bytes] = {}

    def validated(self, overrides: Sequence[str], where: str) -> DictConfig:
        """The validated config with these overrides; errors begin with `where`."""
        try:
            return validate(self.compose(overrides))
        except Exception as stop:
            error = explain(stop)
            if error is None:
                raise
            raise UserError(f"{where}: {error}") from stop

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """What `hydra.compose` returns, or raises."""
        try:
            parsed = [self._parse(text) for text in overrides]
            if not any(one.is_hydra_override() for one in parsed):
                return self._compose(parsed)
        except Exception:  # a mistake of the user's: Hydra's own way tells which, in the words that users know
            return hydra.compose(CONFIG, list(overrides))
        return hydra.compose(CONFIG, list(overrides))

    def _compose(self, overrides: Sequence[Override]) -> DictConfig:
        choices, values = [], []
        for one in overrides:
            is_choice = self._is_group(one.key_or_group) and not isinstance(one.value(), dict)
            (choices if is_choice else values).append(one)
        key = tuple(str(one.input_line) for one in choices)
        if key in self._merged:
            config = pickle.loads(self._merged[key])
        else:
            config = self._merge(choices)
            self._merged[key] = pickle.dumps(config)
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        return config

    def _merge(self, choices: list[Override]) -> DictConfig:
        """The files that the choices name, merged in Hydra's order, without its own settings."""
        listed = create_defaults_list(self._files, CONFIG, choices, prepend_hydra=True, skip_missing=False)
        ours = (one for one in listed.defaults if not str(one.config_path).startswith("hydra/"))
        first, *others = map(self._part, ours)
        config = pickle.loads(pickle.dumps(first))  # half the time of a copy
        config.merge_with(*others)
        OmegaConf.set_struct(config, True)
        return config

    def _part(self, file: ResultDefault) -> DictConfig:
        """The content of a file, at its place in the config."""
        key = (file.config_path, file.package, file.primary)
        if key not in self._parts:
            part = deepcopy(self._loader._load_single_config(file, self._files).config)
            with open_dict(part):
                part.pop("hydra", None)
            self._parts[key] = part
        return self._parts[key]
