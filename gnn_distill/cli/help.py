"""`gnn-distill COMMAND --help`: what there is to type, taken from the schema and from `conf/`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import is_dataclass
from itertools import chain
from pathlib import Path
from typing import get_type_hints

from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from omegaconf import MISSING as REQUIRED
from omegaconf import DictConfig, OmegaConf

from gnn_distill.cli.commands import COMMANDS, CONF_DIR
from gnn_distill.cli.dashes import check_dashes
from gnn_distill.cli.keys import all_groups, choices_of, groups_of_runs, own_groups
from gnn_distill.cli.layout import block, columns, paragraph, shell_line, width
from gnn_distill.config.catalogue import Group, about
from gnn_distill.config.descriptions import Key, Section, described, keys_of_sources, purpose, typed
from gnn_distill.config.quoting import for_hydra
from gnn_distill.config.schema import SCHEMAS, register
from gnn_distill.config.schema.fields import is_common
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.errors import UserError, printable, refuse, suggest

FLAGS = {
    "-m": "one run for each of several values: seed=0,1,2",
    "--cfg job": "print the config, and do nothing else",
    "--config-dir FOLDER": "choose from config files of your own, too: FOLDER/dataset/mine.yaml is dataset=mine",
    "--help -p SECTION": "that section of this help alone, with a line for each choice of its group",
    "--hydra-help": "all of Hydra's flags",
}
MANY = 60
"""A command with more keys shows those that are changed most in front."""
LONGEST = 40
"""Characters of a value that are shown."""


def print_help(command: str, words: Sequence[str]) -> None:
    """Print the help of a command, with the values that these words of its command line would give.

    Raises:
        UserError: for wrong flags, and a folder of config files or a section that is not there.
    """
    check_dashes(command, words)
    given = get_args_parser().parse_args(list(words))
    own = Path(given.config_dir) if given.config_dir else None
    if own and not own.is_dir():
        raise UserError(f"--config-dir {own}: this folder does not exist.")
    overrides = [word for word in given.overrides if not word.startswith("resume=")]
    page = Page(command, _compose(command, overrides, own), [*([own] if own else []), CONF_DIR])
    print("\n".join(page.whole() if given.package is None else page.part(given.package)))


def _compose(command: str, overrides: Sequence[str], own: Path | None) -> DictConfig:
    """The config with Hydra's part, unchecked: values may be missing."""
    register(command)
    place = [f"hydra.searchpath=[{for_hydra(f'file://{own.absolute()}')}]"] if own else []
    with initialize_config_dir(str(CONF_DIR), job_name=command, version_base="1.3"):
        return compose(command, overrides=[*overrides, *place], return_hydra_config=True)


class Page:
    """The help of a command.

    cfg: its config, with Hydra's part.
    folders: of config files, those of the user's first.
    """

    def __init__(self, command: str, cfg: DictConfig, folders: Sequence[Path]) -> None:
        self._command, self._cfg, self._folders, self._schema = command, cfg, folders, SCHEMAS[command]
        types = {name: OmegaConf.get_type(value) for name, value in cfg.items_ex(resolve=False)}
        chosen = {name: kind for name, kind in types.items() if is_dataclass(kind)}
        self._sections = list(described(self._schema, chosen).walk())
        self._groups = own_groups(command)

    def whole(self) -> Iterator[str]:
        """Everything: what the command does, examples, groups, keys, flags."""
        command = COMMANDS[self._command]
        words = filter(None, [command.words, "[group=choice ...]" if self._groups else "", "[key=value ...]"])
        yield from paragraph(" ".join(["usage: gnn-distill", self._command, *words]))
        yield ""
        yield from paragraph(purpose(self._schema))
        typed_words = (f"gnn-distill {self._command} {words}".strip() for words in command.examples)
        yield from block("Examples", chain.from_iterable(map(shell_line, typed_words)))
        yield from self._all_groups()
        if sum(len(section.keys) for section in self._sections) > MANY:
            common = [key for section in self._sections for key in section.keys if is_common(key.field)]
            yield from block("Keys that are changed most, with their values", columns(map(self._row, common)))
        for section in self._sections:
            yield from self._keys(section)
        yield from self._keys_of_other_sources()
        flags = {flag: what for flag, what in FLAGS.items() if flag != "-m" or flag in command.words}
        yield from block("Flags", columns(flags.items()))
        yield ""
        yield from paragraph(f"Manual: docs/{command.page}, and docs/configuration.md with the range of every key.")

    def part(self, name: str) -> Iterator[str]:
        """One section, with those in it, and the choices of its group. Raises UserError if there is neither."""
        every = all_groups(self._command).values()
        groups = [group for group in every if name in (group.section, group.folder)]
        inside = [one for one in self._sections if one.name and f"{one.name}.".startswith(f"{name}.")]
        if not groups and not inside:
            sections = [one.name for one in self._sections if one.name]
            known = dict.fromkeys([*sections, *(group.section for group in every)])
            raise refuse("--package", name, f"no such section.{suggest(name, known)} It has: {', '.join(known)}.")
        for group in groups:
            known, folders = self._choices(group), [folder / group.folder for folder in self._folders]
            rows = [(f"{group.name}={choice}", about(choice, folders)) for choice in known]
            yield from block(f"{self._chosen(group)}: {group.text}", columns(rows))
        for section in inside:
            yield from self._keys(section)
        yield from self._keys_of_other_sources() if name == "dataset" else ()

    def _all_groups(self) -> Iterator[str]:
        """The groups of the command, and of the runs that it hands words to."""
        if self._groups:
            title = "Groups, each a folder of files to choose from (group=choice)"
            yield from block(title, self._rows_of(self._groups))
        if further := groups_of_runs(self._command):
            yield from block("Groups of `gnn-distill train`, for every run, as all of its keys", self._rows_of(further))

    def _rows_of(self, groups: Iterable[Group]) -> Iterator[str]:
        """Of each group what it chooses, and its choices; those that fill a section of keys first, as keys are."""
        lines = {section.name: section.line for section in self._sections}
        places = {name: place for place, name in enumerate(get_type_hints(TrainConfig))}
        for group in sorted(groups, key=lambda one: places.get(one.section.partition(".")[0], len(places))):
            yield from columns([(self._chosen(group), group.text or lines.get(group.section, ""))])
            yield from paragraph(", ".join(self._choices(group)), indent=6)

    def _choices(self, group: Group) -> list[str]:
        return choices_of(self._command, group, self._folders)

    def _chosen(self, group: Group) -> str:
        """`dataset=esol`, as it is chosen here; of a group of another command its name alone."""
        found = self._cfg.hydra.runtime.choices
        return f"{group.name}={typed(found[group.name])}" if group.name in found else group.name

    def _keys(self, section: Section) -> Iterator[str]:
        if section.keys:
            title = f"{section.name}: {section.text}" if section.name else "Keys (key=value), with their values"
            yield from block(title, columns(map(self._row, section.keys)))

    def _keys_of_other_sources(self) -> Iterator[str]:
        """Keys that data sets of other loaders have."""
        hints = get_type_hints(self._schema)
        shown = next((one.schema.__mro__ for one in self._sections if one.name == "dataset"), ())
        for base, sources, keys in keys_of_sources(hints["dataset"]) if "dataset" in hints else ():
            if base not in shown:
                title = f"dataset, with dataset.source={', '.join(sources)}"
                yield from block(title, columns((f"{key.name}={typed(key.default)}", text_of(key)) for key in keys))

    def _row(self, key: Key) -> tuple[str, str]:
        """`optim.lr=0.001`, and what it does; of a key of the runs that the command starts, each has its own value."""
        if key.every_run:
            return f"{key.name}=…", text_of(key)
        section, _, last = key.name.rpartition(".")
        node, value = OmegaConf.select(self._cfg, section) if section else self._cfg, key.default
        if OmegaConf.is_dict(node):  # of names that the user gives, there is only the schema
            value = REQUIRED if OmegaConf.is_missing(node, last) else node[last]
        if value == REQUIRED:
            return f"{key.name} (required)", text_of(key)
        text = printable(typed(OmegaConf.to_container(value) if OmegaConf.is_config(value) else value))
        room = min(LONGEST, width() - len(key.name) - 3)
        return f"{key.name}={text if len(text) <= room else text[: room - 1] + '…'}", text_of(key)


def text_of(key: Key) -> str:
    """What a key does, and its choices."""
    known = key.field.metadata.get("choices")
    return f"{key.text} Choices: {', '.join(known)}." if known else key.text
