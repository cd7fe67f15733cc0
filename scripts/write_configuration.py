"""Write docs/configuration.md from the schema: python scripts/write_configuration.py

Run it after any change to gnn_distill/config/schema; a test holds the page to it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import Field, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from omegaconf import MISSING as REQUIRED

from gnn_distill.config.descriptions import (
    Key,
    Section,
    data_sets,
    described,
    keys_of_sources,
    purpose,
    source_name,
    summary,
    typed,
)
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
            parts.append(f"## gnn-distill {command}\n\n{purpose(schema)}\n")
            parts += tables(described(schema), shown)
    return "\n".join(parts)


def tables(section: Section, shown: set[tuple[str, type]]) -> Iterator[str]:
    """The table of a section's own keys, then, one after another, the sections in it."""
    yield from table(section.keys)
    for below in section.nested:
        known = (below.name, below.schema) in shown
        text = f"{below.line} Keys as above." if known else below.text
        yield f"{'####' if section.name else '###'} {escaped(below.name)}\n\n{escaped(text)}\n"
        if not known:
            shown.add((below.name, below.schema))
            yield from tables(below, shown)
            yield from data_set_tables() if below.schema is DatasetConfig else []


def data_set_tables() -> Iterator[str]:
    """What can be loaded, and the keys that only some loaders have, class by class of the schema."""
    rows = [f"| `{source_name(schema)}` | {escaped(summary(schema))} |" for schema in data_sets()]
    yield "\n".join(["#### dataset.source\n", "| source | what it loads |", "|---|---|", *rows, ""])
    for _, sources, keys in keys_of_sources():
        yield f"#### dataset, with source {', '.join(sources)}\n"
        yield from table(keys)


def table(keys: Sequence[Key]) -> Iterator[str]:
    """A row a key: its default, its values, what it does."""
    if keys:
        rows = [f"| `{key.name}` | {default(key)} | {values(key)} | {escaped(key.text)} |" for key in keys]
        yield "\n".join(["| key | default | values | what it does |", "|---|---|---|---|", *rows, ""])


def default(key: Key) -> str:
    """The default as it is typed on a command line."""
    if key.default == REQUIRED:
        return "required"
    return f"`{typed(key.default)}`" if key.default != "" else "empty"


def values(key: Key) -> str:
    """Choices, range or type."""
    if "choices" in key.field.metadata:
        known = [f"`{choice}`" for choice in key.field.metadata["choices"]]
        return ", ".join(known + ["`null`"] * (key.default is None))
    optional = type(None) in get_args(key.hint)
    kinds = [kind for kind in get_args(key.hint) if kind is not type(None)] if optional else [key.hint]
    return ", ".join([kind_of(kinds[0]), *bounds(key.field), *(["`null`"] if optional else [])])


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


def escaped(text: str) -> str:
    """Text that Markdown takes neither for a table's border nor for HTML."""
    return text.replace("|", "\\|").replace("<", "\\<")


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"Wrote {PAGE}")
