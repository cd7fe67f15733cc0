"""What the schema says of its keys: for `--help`, shell completion, wrong flags and docs/configuration.md."""

import ast
import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from omegaconf import MISSING as REQUIRED

from gnn_distill.config.schema import SCHEMAS
from gnn_distill.config.schema.data import DatasetConfig


@dataclass(frozen=True)
class Key:
    """A key that has a value."""

    name: str
    """With its sections: `optim.lr`."""
    field: Field
    hint: Any
    """Its type."""
    text: str
    """What it does."""
    every_run: bool = False
    """Whether it is handed to the runs that the command starts, if it is set: then its default has no effect."""

    @property
    def default(self) -> Any:
        """Its value in the schema."""
        return self.field.default if self.field.default_factory is MISSING else self.field.default_factory()


@dataclass(frozen=True)
class Section:
    """A section of keys."""

    name: str
    """With the sections around it; empty: the command itself. Below a name of the user's: `table.rows.<name>`."""
    schema: type
    line: str
    """What the section around it says of it."""
    text: str
    """What it holds; where several sections of a command are alike, beginning with its line."""
    keys: tuple[Key, ...]
    """Its own, without those of the sections in it."""
    nested: tuple["Section", ...]

    def walk(self) -> Iterator["Section"]:
        """This section, and all that are in it."""
        yield self
        for below in self.nested:
            yield from below.walk()


def described(schema: type, chosen: Mapping[str, type] | None = None) -> Section:
    """A command's keys and sections, from its schema.

    chosen: by name, the schema of a section that depends on a choice, such as dataset.
    """
    return _section(schema, "", "", chosen or {}, Counter(_types_below(schema)))


def _section(
    schema: type, name: str, line: str, chosen: Mapping[str, type], uses: Counter[type], every_run: bool = False
) -> Section:
    hints, lines, prefix = get_type_hints(schema), documented(schema), f"{name}." if name else ""
    keys = [
        Key(f"{prefix}{key.name}", key, hints[key.name], lines.get(key.name, ""), every_run)
        for key in fields(schema)
        if not is_dataclass(hints[key.name])
    ]
    nested = []
    for key in fields(schema):
        if below := _section_in(hints[key.name]):
            place = f"{prefix}{key.name}" if below is hints[key.name] else f"{prefix}{key.name}.<name>"
            handed_on = every_run or key.metadata.get("every_run", False)
            about = lines.get(key.name, "")
            nested.append(_section(chosen.get(place, below), place, about, chosen, uses, handed_on))
    itself = uses[schema] <= 1 or name.endswith("<name>")
    text = summary(schema) if itself else f"{line} {summary(schema)}"
    return Section(name, schema, line, text, tuple(keys), tuple(nested))


def _section_in(hint: Any) -> type | None:
    """The schema of a section, or of those that users name, as in table.rows; None: a plain value."""
    if is_dataclass(hint):
        return hint
    inner = get_args(hint)[1] if get_origin(hint) is dict else None
    return inner if is_dataclass(inner) else None


def _types_below(schema: type) -> Iterator[type]:
    for hint in get_type_hints(schema).values():
        if is_dataclass(hint):
            yield hint
            yield from _types_below(hint)


def keys_of_sources(section: type = DatasetConfig) -> Iterator[tuple[type, list[str], list[Key]]]:
    """Keys that only some loaders of data have: the class that declares them, its loaders, and its keys.

    section: the type of `dataset` in a command.
    """
    schemas = [schema for schema in data_sets() if issubclass(schema, section)]
    bases = dict.fromkeys(base for schema in schemas for base in reversed(schema.__mro__) if is_dataclass(base))
    for base in bases:
        own = [key for key in fields(base) if key.name in base.__annotations__ and key.name not in ("source", "name")]
        if base is not DatasetConfig and own:
            hints, lines = get_type_hints(base), documented(base)
            keys = [Key(f"dataset.{key.name}", key, hints[key.name], lines[key.name]) for key in own]
            yield base, [source_name(schema) for schema in schemas if issubclass(schema, base)], keys


def data_sets() -> list[type]:
    """The schemas of data sets, one for each loader."""
    return [schema for name, schema in SCHEMAS.items() if name.startswith("dataset/")]


def source_name(schema: type) -> str:
    """The loader of a data set's class, or that it is the user's."""
    return "your own" if schema.source == REQUIRED else schema.source


def all_keys(schema: type) -> list[Key]:
    """Every key of a command, those of all loaders of data included."""
    keys = [key for section in described(schema).walk() for key in section.keys]
    of_data = get_type_hints(schema).get("dataset")
    return keys + [key for _, _, own in (keys_of_sources(of_data) if of_data else ()) for key in own]


def typed(value: Any) -> str:
    """A value as it is typed on a command line; sections by name without what is in them."""
    if isinstance(value, dict):
        items = (f"{name}: {'{…}' if isinstance(one, dict) else typed(one)}" for name, one in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(typed, value))}]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


def summary(schema: type) -> str:
    """A section's docstring, without its line breaks."""
    return " ".join(inspect.getdoc(schema).split())


def purpose(schema: type) -> str:
    """What a command does: its docstring, without the command's name in front."""
    text = summary(schema).partition(": ")[2]
    return text[:1].upper() + text[1:]


def documented(schema: type) -> dict[str, str]:
    """The line under each key, by name, those of base classes included."""
    lines: dict[str, str] = {}
    for base in reversed([base for base in schema.__mro__ if is_dataclass(base)]):
        lines |= _documented_in(inspect.getsourcefile(base)).get(base.__qualname__, {})
    return lines


@cache
def _documented_in(file: str) -> dict[str, dict[str, str]]:
    """By class and key, the string below each key in a file."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        for key, below in pairwise(node.body if isinstance(node, ast.ClassDef) else ()):
            match key, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(line))):
                    found.setdefault(node.name, {})[name] = " ".join(line.split())
    return found
