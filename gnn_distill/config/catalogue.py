"""The config groups of a command, and the files of a group: a preset each, which its comments describe."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import get_type_hints

from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.schema import SCHEMAS

ENTRY = re.compile(r"  - (?P<name>[a-z][\w/@.]*): (?P<choice>\S+)")
"""A line of a defaults list that chooses a file of a group."""
SCHEMA = re.compile(r"^  - /schema/(\S+)@_here_: (\S+)", re.MULTILINE)
"""The line by which a preset says which keys it may have."""


@dataclass(frozen=True)
class Group:
    """A config group of a command."""

    name: str
    """As it is chosen: `dataset`, `optim@pretrain.optim`."""
    choice: str
    """The preset that is chosen without a word; null: none."""
    text: str
    """What is chosen: the comment above its line, if there is one."""

    @property
    def folder(self) -> str:
        """The folder of its files in `conf/`."""
        return self.name.partition("@")[0]

    @property
    def section(self) -> str:
        """The section that its files fill, if there is one of that name."""
        return self.name.rpartition("@")[2]


def groups_of(primary: Path) -> list[Group]:
    """The groups in the defaults list of a command's `conf/<command>.yaml`; its own entries, not Hydra's."""
    found, above = [], []
    for line in primary.read_text(encoding="utf-8").partition("defaults:")[2].splitlines()[1:]:
        if line.startswith("  #"):
            above.append(line.strip("# "))
        elif entry := ENTRY.fullmatch(line):
            found.append(Group(entry["name"], entry["choice"], " ".join(above)))
            above = []
        elif line.startswith("  - "):
            above = []
        else:
            break
    return found


def fitting(group: str, section: type, folders: Sequence[Path]) -> list[str]:
    """The choices of a group that a command can use.

    Of presets that name a schema, those whose schema is the type of the command's section, or made of it, and of no
    other command's that says more: `gnn-distill separate` alone reads pairs of graphs.
    """
    types = {get_type_hints(schema).get(group, section) for schema in SCHEMAS.values()} | {section}

    def is_fitting(choice: str) -> bool:
        named = SCHEMA.search(choice_file(choice, folders).read_text(encoding="utf-8"))
        kind = SCHEMAS.get("/".join(named.groups())) if named else None
        if kind is None:  # of the user's own
            return all(issubclass(one, section) for one in types)
        return max((one for one in types if issubclass(kind, one)), key=lambda one: len(one.__mro__)) is section

    return [choice for choice in choices(folders) if is_fitting(choice)]


def about(choice: str, folders: Sequence[Path]) -> str:
    """What a preset is: the first sentence of the comment at the top of its file, after the command that uses it."""
    lines = choice_file(choice, folders).read_text(encoding="utf-8").splitlines()
    top = [line.strip("# ") for line in takewhile(lambda line: line.startswith("#"), lines)]
    top = [line for line in top if not line.startswith(("@package", "gnn-distill"))]
    return re.split(r"(?<=[.?])(?<! al\.) ", " ".join(top), maxsplit=1)[0]


def group_folders(group: str) -> list[Path]:
    """The folders with files of a config group: this package's, and that of the user's --config-dir."""
    from hydra.core.hydra_config import HydraConfig

    sources = HydraConfig.get().runtime.config_sources
    return [Path(source.path) / group for source in sources if source.schema == "file"]


def choices(folders: Sequence[Path]) -> list[str]:
    """The choices of a group, sorted; of one with folders in it `nci1/full`."""
    files = (file.relative_to(folder).with_suffix("") for folder in folders for file in folder.rglob("*.yaml"))
    return sorted({file.as_posix() for file in files})


def choice_file(choice: str, folders: Sequence[Path]) -> Path:
    """The file of a choice; where several folders have one, the first, as in Hydra."""
    return next(path for folder in folders if (path := folder / f"{choice}.yaml").is_file())


def read_preset(choice: str, folders: Sequence[Path], schema: type) -> DictConfig:
    """A file of a group merged over its defaults; Hydra would compose it too, but takes 50 ms per file.

    schema: of a file that names none.
    """
    config = OmegaConf.load(choice_file(choice, folders))
    base = OmegaConf.create()
    for entry in config.pop("defaults", []):
        if isinstance(entry, str) and entry != "_self_":
            base = OmegaConf.merge(base, read_preset(entry, folders, schema))
        elif not isinstance(entry, str):  # what a file sets in other groups is not shown
            named = [f"{group.partition('@')[0]}/{name}" for group, name in entry.items()]
            base = OmegaConf.merge(
                base, *(SCHEMAS[name.removeprefix("/schema/")] for name in named if "/schema/" in name)
            )
    return OmegaConf.merge(base or schema, config)
