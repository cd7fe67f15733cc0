"""Checks of a composed config before anything is read or written; OmegaConf has checked the types."""

import math
from dataclasses import Field, fields, is_dataclass
from functools import cache
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from gnn_distill.config.plugins import MODULES
from gnn_distill.config.rules_run import RULES_OF_SEPARATE, TRAIN_RULES, module_choices
from gnn_distill.config.rules_tracker import check_tracker
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.config.schema.separate import SeparateCommand
from gnn_distill.errors import MissingValue, UserError, check_name, refuse, suggest


def validate(cfg: DictConfig) -> DictConfig:
    """Check every key's value, and the rules that join several keys; returns `cfg` itself.

    Raises:
        UserError: for the first wrong key, naming its value, the choices, and what to do.
    """
    _check_section(cfg, prefix="")
    for command, rules in ((TrainConfig, TRAIN_RULES), (SeparateCommand, RULES_OF_SEPARATE)):
        if issubclass(OmegaConf.get_type(cfg), command):
            for rule in rules:
                rule(cfg)
    if "tracker" in cfg:
        check_tracker(cfg.tracker)
    if "probe" in cfg:
        check_probe(cfg.probe)
    if "table" in cfg:
        check_folders_of_table(cfg.table)
    return cfg


def check_probe(probe: DictConfig) -> None:
    """Raise UserError unless the ranges of hops are ranges, the local one nearer, and the name is a folder's."""
    for key in ("local", "far"):
        hops = list(probe[key])
        if len(hops) != 2 or not 1 <= hops[0] <= hops[1] <= probe.hops:
            raise refuse(
                f"probe.{key}", hops, f"must be the first and the last hop, from 1 to probe.hops={probe.hops}: [1,2]."
            )
    if probe.local[1] >= probe.far[0]:
        raise refuse("probe.far", list(probe.far), f"must begin beyond probe.local={list(probe.local)}.")
    if "name" in probe and probe.name is not None:
        check_name("probe.name", probe.name, "a folder's name")


def check_folders_of_table(table: DictConfig) -> None:
    """Raise UserError unless the names that become folders of a table, and of its runs, are plain names."""
    names = {"table.name": [table.name], "table.size": [table.size]}
    names |= {f"table.{part}": [*table[part]] for part in ("rows", "columns", "sizes")}
    names["table.rows.*.tuned"] = [row.tuned for row in table.rows.values() if row.tuned]
    for key, values in names.items():
        for name in values:
            check_name(key, name, "a folder's name")


def _check_section(section: DictConfig, prefix: str) -> None:
    """Check every key of a section, and of the sections below it, against their dataclasses."""
    schema = _fields_of(OmegaConf.get_type(section))
    for name, found in section.items_ex(resolve=False):
        key = f"{prefix}{name}"
        if key == "hydra":  # Hydra's own section exists until the job starts
            continue
        if name not in schema:
            hint = suggest(name, schema)
            raise UserError(f"{key}: unknown key.{hint} Keys here: {', '.join(schema)}.")
        if not OmegaConf.is_config(found) and found != "???" and "${" not in str(found):  # most: no need to look it up
            _check_value(key, found, schema[name])
            continue
        if OmegaConf.is_missing(section, name):
            raise MissingValue(f"{key} has no value. Give it one: {key}=…{_choices_of(key)}")
        try:
            value = section[name]
        except InterpolationResolutionError as error:
            raise UserError(f"{key}: {str(error).splitlines()[0]}.") from error
        if isinstance(value, DictConfig) and is_dataclass(OmegaConf.get_type(value)):
            _check_section(value, f"{key}.")
        elif isinstance(value, DictConfig) and is_dataclass(value._metadata.element_type):
            for item in value:
                _check_section(value[item], f"{key}.{item}.")
        else:
            _check_value(key, value, schema[name])


@cache
def _fields_of(schema: type) -> dict[str, Field]:
    return {field.name: field for field in fields(schema)}


def _choices_of(key: str) -> str:
    """The choices for a missing section that names a module, or for its name."""
    key = key if "." in key else f"{key}.name"
    return f" Choices: {', '.join(module_choices(key))}." if key in MODULES else ""


def _check_value(key: str, value: Any, field: Field) -> None:
    if isinstance(value, ListConfig):
        for index, item in enumerate(value):
            _check_value(f"{key}[{index}]", item, field)
    elif isinstance(value, float) and not math.isfinite(value):
        raise refuse(key, value, f"must be a finite number{_bounds(field, ',')}.")
    elif isinstance(value, str) and not value.strip():
        raise refuse(key, value, f"is empty. Give it a value{_or_null(field)}.")
    elif "choices" in field.metadata:
        choices = field.metadata["choices"]
        if value not in choices and value != field.default:
            known = [*choices, "null"] if field.default is None else choices
            raise refuse(key, value, f"unknown choice. Choices: {', '.join(known)}.{suggest(value, choices)}")
    elif isinstance(value, int | float) and not isinstance(value, bool) and not _within(value, field):
        raise refuse(key, value, f"must be{_bounds(field)}.")


def _or_null(field: Field) -> str:
    return ", or null" if field.default is None else ""


def _within(value: float, field: Field) -> bool:
    bounds = {name: bound for name, bound in field.metadata.items() if bound is not None}
    return (
        value >= bounds.get("low", -math.inf)
        and value <= bounds.get("high", math.inf)
        and value > bounds.get("above", -math.inf)
    )


def _bounds(field: Field, before: str = "") -> str:
    words = {"low": "at least", "above": "above", "high": "at most"}
    bounds = [
        f"{words[name]} {bound:.10g}" for name, bound in field.metadata.items() if name in words and bound is not None
    ]
    return f"{before} {' and '.join(bounds)}" if bounds else ""
