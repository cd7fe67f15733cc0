"""The keys, config groups and flags that a command takes, by name."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import get_type_hints

from hydra._internal.utils import get_args_parser

from gnn_distill.cli.commands import CONF_DIR
from gnn_distill.config.catalogue import Group, choices, fitting, groups_of
from gnn_distill.config.descriptions import Key, all_keys
from gnn_distill.config.schema import SCHEMAS
from gnn_distill.config.schema.run import TrainConfig


@cache
def flags() -> dict[str, tuple[str, ...] | None]:
    """Hydra's flags, each with the values that it may have; an empty tuple: any text; None: it has no value."""
    return {
        flag: None if action.nargs == 0 else tuple(action.choices or ())
        for action in get_args_parser()._actions
        for flag in action.option_strings
    }


def own_groups(command: str) -> list[Group]:
    """The groups of a command."""
    return groups_of(CONF_DIR / f"{command}.yaml")


def groups_of_runs(command: str) -> list[Group]:
    """The groups of the runs that a command starts with words that are none of its own."""
    if not hands_on(command):
        return []
    own = {group.name for group in own_groups(command)}
    return [group for group in own_groups("train") if group.name not in own]


def all_groups(command: str) -> dict[str, Group]:
    """The groups of a command and of the runs that it starts, by name."""
    return {group.name: group for group in (*own_groups(command), *groups_of_runs(command))}


def settable(command: str) -> list[str]:
    """What a command takes before an equals sign: groups, then what is no key, then keys."""
    return [*all_groups(command), *(["resume"] if command == "train" else []), *keys(command)]


def keys(command: str) -> dict[str, Key]:
    """All keys of a command, and those of `train` where it hands words on."""
    known = {
        key.name: key
        for one in ([command, "train"] if hands_on(command) else [command])
        for key in all_keys(SCHEMAS[one])
    }
    return {name: key for name, key in known.items() if "<name>" not in name}


def hands_on(command: str) -> bool:
    """Whether words that are no keys of a command go to the runs that it starts."""
    return any(key.name == "given" for key in fields(SCHEMAS[command]))


def choices_of(command: str, group: Group, folders: Sequence[Path]) -> list[str]:
    """The choices of a group that a command can use; folders: of config files, those of the user's first."""
    places = [folder / group.folder for folder in folders]
    section = {**get_type_hints(TrainConfig), **get_type_hints(SCHEMAS[command])}.get(group.section)
    return fitting(group.folder, section, places) if is_dataclass(section) else choices(places)
