"""`gnn-distill store`: list, verify or prune what runs share."""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.listing import show
from gnn_distill.config.schema.store import StoreCommand, StoreConfig
from gnn_distill.errors import UserError, refuse
from gnn_distill.formatting import counted, duration
from gnn_distill.storage.checksums import Damaged, OtherVersion
from gnn_distill.storage.files import set_aside
from gnn_distill.storage.inventory import (
    ASIDE,
    DAMAGED,
    INTACT,
    OLDER,
    PARTIAL,
    Item,
    Users,
    examine,
    inventory,
    try_lock,
    users_in,
)
from gnn_distill.storage.run_directory import SUMMARY, read_summary, verify_run
from gnn_distill.training.console import Console

COLUMNS = ("kind", "entry", "size", "age", "state", "what", "used by")
DAY = 86400


def main(cfg: DictConfig) -> None:
    """Run `store.action`.

    Raises:
        UserError: if the store does not exist, or something in it is damaged.
    """
    command: StoreCommand = OmegaConf.to_object(cfg)
    root, config, console = Path(command.paths.store), command.store, Console(sys.stdout)
    if not root.is_dir():
        raise refuse("paths.store", root, "this folder does not exist. Give the store of your runs.")
    users, unreadable = users_in(map(Path, config.runs))
    for file, why in unreadable.items():
        console.warn(f"{file}: {why}. It is unknown which entries its run uses.")
    {"list": print_entries, "verify": verify, "prune": prune}[config.action](console, root, users, config)


def print_entries(console: Console, root: Path, users: Users, config: StoreConfig) -> None:
    """Print a line for every entry of the store."""
    items = inventory(root, users)
    list_items(items)
    kinds = Counter(item.kind for item in items)
    counts = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    console.say(f"{root}: {counts or 'empty'}, {describe_size(items)}")


def verify(console: Console, root: Path, users: Users, config: StoreConfig) -> None:
    """Check every file of the store, and of the finished runs in `store.runs`, against its checksum."""
    with console.work("reading") as work:
        items = inventory(root, users, verify=True, progress=work.update)
    damaged = [item for item in items if item.state == DAMAGED]
    for item in damaged:
        console.warn(f"{item.path}: is damaged: {item.trouble}. {rename_damaged(item) if config.fix else ''}".rstrip())
    whole = [item for item in items if item.state == INTACT]
    intact = counted(len(whole), "entry is", "entries are")
    console.say(f"{root}: {intact} whole, {len(damaged)} damaged, {describe_size(items)}")
    runs = sorted(path.parent for folder in config.runs for path in Path(folder).rglob(SUMMARY))
    broken = [trouble for run in runs if (trouble := trouble_of(run))]
    for trouble in broken:
        console.warn(trouble)
    if runs:
        intact = counted(len(runs) - len(broken), "finished run is", "finished runs are")
        console.say(f"{', '.join(config.runs)}: {intact} whole, {len(broken)} damaged")
    if damaged and not config.fix:
        of_all = counted(len(damaged) + len(whole), "entry", "entries")
        raise UserError(
            f"Damaged: {len(damaged)} of {of_all}. A run that needs one makes it again; store.fix=true sets them "
            "aside now."
        )
    if damaged or broken:
        raise UserError(
            f"Damaged, as listed above: {counted(len(damaged), 'entry', 'entries')} and {counted(len(broken), 'run')}."
        )


def prune(console: Console, root: Path, users: Users, config: StoreConfig) -> None:
    """Delete, or list for deletion, what is unused, damaged or left over."""
    if config.unused and not any(Path(folder).is_dir() for folder in config.runs):
        raise refuse(
            "store.runs",
            config.runs,
            "none of these folders exists, so every entry would count as unused. Give the folders of your runs, or set "
            "store.unused=false.",
        )
    items = inventory(root, users)
    chosen = [item for item in items if is_superfluous(item, config)]
    list_items(chosen)
    young = [item for item in items if item not in chosen and is_superfluous(item, config, days=0)]
    if young:
        size = describe_size(young)
        console.say(
            f"{len(young)} more, {size}, younger than {counted(config.days, 'day')} (store.days=0 includes them)."
        )
    if not config.delete:
        size = describe_size(chosen)
        console.say(f"{root}: {len(chosen)} of {len(items)} would be deleted, {size}; store.delete=true deletes them")
        return
    gone = [item for item in chosen if remove(item, users, config)]
    console.say(f"{root}: {len(gone)} of {len(items)} deleted, {describe_size(gone)}")


def is_superfluous(item: Item, config: StoreConfig, days: float | None = None) -> bool:
    """Whether `prune` deletes it."""
    if item.state in (DAMAGED, ASIDE, OLDER):
        return True
    old = item.age >= DAY * (config.days if days is None else days)
    return old and (item.state == PARTIAL or (item.state == INTACT and not (config.unused and item.runs)))


def remove(item: Item, users: Users, config: StoreConfig) -> bool:
    """Delete a folder of the store, if its lock is free and it is still superfluous; returns whether it was deleted."""
    with try_lock(item) as free:
        if not free or not item.path.is_dir() or not is_superfluous(examine(item.path, users), config):
            return False
        # Renamed first: a process killed while it deletes leaves no half an entry.
        away = item.path.with_name(f"{item.path.name}.deleted")
        os.replace(item.path, away)
        shutil.rmtree(away)
        item.lock.unlink(missing_ok=True)
    return True


def rename_damaged(item: Item) -> str:
    """Rename a damaged entry, unless another process is using it; returns a sentence on what was done."""
    with try_lock(item) as free:
        return f"It was renamed to {set_aside(item.path).name}." if free else "Another process is using it."


def trouble_of(run: Path) -> str:
    """What is wrong with the files of a finished run; empty if nothing is, or another version wrote it."""
    try:
        read_summary(run)
        verify_run(run)
    except Damaged as error:
        return str(error)
    except OtherVersion:
        pass
    return ""


def list_items(items: Iterable[Item]) -> None:
    """Print a table of entries."""
    rows = [
        (
            *(item.kind, item.path.name, describe_size([item]), describe_age(item.age), item.state),
            *(item.what or item.trouble, describe_runs(item)),
        )
        for item in items
    ]
    if rows:
        show(COLUMNS, rows)


def describe_runs(item: Item) -> str:
    """`outputs/train/a and 2 more`."""
    first, *more = [*map(str, item.runs), ""]
    return f"{first} and {len(more) - 1} more" if len(more) > 1 else first


def describe_age(seconds: float) -> str:
    """`3 days`, `2 h 5 min`."""
    return f"{seconds / DAY:.0f} days" if seconds >= 2 * DAY else duration(seconds)


def describe_size(items: Iterable[Item]) -> str:
    """`1.7 GB`, `12.3 MB`."""
    size = sum(item.size for item in items)
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
