"""Write docs/configuration.md from the schema: python scripts/write_configuration.py

Run it after any change to gnn_distill/config/schema; a test holds the page to it.
"""

import ast
import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args, get_origin, get_type_hints

from omegaconf import MISSING as REQUIRED

from gnn_distill.config.schema import SCHEMAS
from gnn_distill.config.schema.data import DatasetConfig

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
HEAD = """\
# Configuration

Every key, from `gnn_distill/config/schema/`. This page is written by `python scripts/write_configuration.py`: change
the schema, not the page.

On the command line a key is set by `key=value` (`optim.lr=1e-3`), and a section is filled from a file of the folder of
its name by `section=file` (`teacher=gcn` reads `conf/teacher/gcn.yaml`). Defaults below are those of the schema; the
files in `conf/` set others, and `gnn-distill train --cfg job` prints what a run would get. A value out of its range, a
wrong type or an unknown key stops the command before anything is read or written.
"""
TYPES = {int: "whole number", float: "number", str: "text", bool: "true, false", Any: "keys and values"}


def page() -> str:
    """The whole page."""
    parts, shown = [HEAD], set()
    for command, schema in SCHEMAS.items():
        if "/" not in command:
            parts.append(f"## gnn-distill {command}\n\n{summary(schema).partition(': ')[2].capitalize()}\n")
            parts += sections(schema, "", shown, Counter(sections_below(schema)))
    return "\n".join(parts)


def sections(schema: type, prefix: str, shown: set[tuple[str, type]], uses: Counter[type]) -> Iterator[str]:
    """The table of a section's own keys, then, one after another, the sections in it; `uses`: of all in the command."""
    hints, lines = get_type_hints(schema), documented(schema)
    yield from table([field for field in fields(schema) if not is_dataclass(hints[field.name])], schema, prefix)
    for field in fields(schema):
        hint = hints[field.name]
        named = get_origin(hint) is dict and is_dataclass(get_args(hint)[1])
        nested, key = (get_args(hint)[1], f"{prefix}{field.name}.<name>") if named else (hint, f"{prefix}{field.name}")
        if not is_dataclass(nested):
            continue
        known = (key, nested) in shown
        # A section that occurs once describes itself; of several alike the key says which it is.
        texts = [summary(nested)] if named or uses[nested] == 1 else [lines[field.name], summary(nested)]
        texts = [lines[field.name], "Keys as above."] if known else texts
        yield f"{'####' if prefix else '###'} {escaped(key)}\n\n{' '.join(texts)}\n"
        if not known:
            shown.add((key, nested))
            yield from sections(nested, f"{key}.", shown, uses)
            yield from data_sets() if nested is DatasetConfig else []


def data_sets() -> Iterator[str]:
    """What can be loaded, and the keys that only some loaders have, class by class of the schema."""
    schemas = [schema for name, schema in SCHEMAS.items() if name.startswith("dataset/")]
    rows = [f"| `{source_name(schema)}` | {summary(schema)} |" for schema in schemas]
    yield "\n".join(["#### dataset.source\n", "| source | what it loads |", "|---|---|", *rows, ""])
    bases = dict.fromkeys(base for schema in schemas for base in reversed(schema.__mro__) if is_dataclass(base))
    for base in bases:
        own = [f for f in fields(base) if f.name in base.__annotations__ and f.name not in ("source", "name")]
        if base is not DatasetConfig and own:
            yield f"#### dataset, with source {', '.join(source_name(s) for s in schemas if issubclass(s, base))}\n"
            yield from table(own, base, "dataset.")


def source_name(schema: type) -> str:
    """The loader of a data set's class, or that it is the user's."""
    return "your own" if schema.source == REQUIRED else schema.source


def table(keys: list[Field], schema: type, prefix: str) -> Iterator[str]:
    """A row a key: its default, its values, what it does."""
    if keys:
        hints, lines = get_type_hints(schema), documented(schema)
        rows = [
            f"| `{prefix}{key.name}` | {default(key)} | {values(key, hints[key.name])} | {lines[key.name]} |"
            for key in keys
        ]
        yield "\n".join(["| key | default | values | what it does |", "|---|---|---|---|", *rows, ""])


def default(field: Field) -> str:
    """The default as it is typed on a command line."""
    value = field.default if field.default_factory is MISSING else field.default_factory()
    if value == REQUIRED:
        return "required"
    if isinstance(value, str):
        return f"`{value}`" if value else "empty"
    if isinstance(value, list | dict):
        return f"`{str(value).replace(' ', '')}`"
    return "`null`" if value is None else f"`{str(value).lower()}`"


def values(field: Field, hint: Any) -> str:
    """Choices, range or type."""
    if "choices" in field.metadata:
        known = [f"`{choice}`" for choice in field.metadata["choices"]]
        return ", ".join(known + ["`null`"] * (field.default is None))
    optional = type(None) in get_args(hint)
    kinds = [kind for kind in get_args(hint) if kind is not type(None)] if optional else [hint]
    return ", ".join([kind_of(kinds[0]), *bounds(field), *(["`null`"] if optional else [])])


def kind_of(hint: Any) -> str:
    """A type in words: `list of texts`, `by name: lists of whole numbers`."""
    items = get_args(hint)
    if get_origin(hint) is dict:
        value = items[1]
        return "by name: " + ("the keys below" if is_dataclass(value) else kind_of(value).replace("list", "lists", 1))
    return f"list of {TYPES[items[0]]}s" if items else TYPES[hint]


def bounds(field: Field) -> list[str]:
    """The range of a number, in words."""
    words = {"low": "at least", "above": "above", "high": "at most"}
    return [f"{words[k]} {v:.10g}" for k, v in field.metadata.items() if k in words and v is not None]


def summary(schema: type) -> str:
    """A section's docstring, without its line breaks."""
    return " ".join(inspect.getdoc(schema).split())


def documented(schema: type) -> dict[str, str]:
    """The line under each key, by name, those of base classes included."""
    lines: dict[str, str] = {}
    for base in reversed([base for base in schema.__mro__ if is_dataclass(base)]):
        body = ast.parse(dedent(inspect.getsource(base))).body[0].body
        for key, below in pairwise(body):
            match key, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(line))):
                    lines[name] = escaped(" ".join(line.split()))
    return lines


def escaped(text: str) -> str:
    """Text that Markdown takes neither for a table's border nor for HTML."""
    return text.replace("|", "\\|").replace("<", "\\<")


def sections_below(schema: type) -> Iterator[type]:
    """The classes of all sections in a section."""
    for nested in get_type_hints(schema).values():
        if is_dataclass(nested):
            yield nested
            yield from sections_below(nested)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"Wrote {PAGE}")
