"""`gnn-distill separate`: count the pairs of graphs that a model tells apart."""

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.schema.separate import SeparateCommand
from gnn_distill.cpu import default_threads
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.graph_pairs import PAIRS, load_graphs
from gnn_distill.errors import UserError
from gnn_distill.formatting import counted
from gnn_distill.pipeline.separate import COLUMNS, ModelMaker, separate_pairs, separate_untrained
from gnn_distill.results.separation import by_category, publish
from gnn_distill.storage.bounded import MOST_CSV, read_bytes
from gnn_distill.storage.code_hash import code_of
from gnn_distill.storage.files import append, replace_file
from gnn_distill.training.console import Console
from gnn_distill.training.paired_comparisons import EPSILON, threshold

CODE = "gnn_distill.pipeline.separate"
FINISHED = "pairs.csv"
"""A row for each finished pair of BREC, with which an interrupted command continues."""
LEFT_OUT = ("paths", "hydra")
NEUTRAL = {"separate": ("folder", "threads"), "brec": ("categories",)}
"""Keys that leave the result of a pair as it is."""


def main(cfg: DictConfig) -> None:
    """Separate the pairs of the chosen set, and write the result to a folder of these settings."""
    config: SeparateCommand = OmegaConf.to_object(cfg)
    torch.set_num_threads(config.separate.threads or default_threads())
    console, maker = Console(sys.stdout), ModelMaker(config)
    graphs = load_graphs(config.dataset, config.paths)
    folder = Path(config.separate.folder) / f"{config.dataset.name}_{maker.name}_{settings_hash(cfg, maker)}"
    console.stage(f"{maker.name} on {config.dataset.name}", counted(len(graphs), "graph"))
    with holding(folder):
        OmegaConf.save(cfg, folder / "config.yaml")
        (pair_by_pair if config.dataset.source == "brec" else untrained)(config, graphs, maker, folder, console)
    console.say(f"Files: {folder}")


def untrained(config: SeparateCommand, graphs: PackedGraphs, maker: ModelMaker, folder: Path, console: Console) -> None:
    """SR25 and graph8c: all pairs of graphs, under models with random weights."""
    with console.work(config.dataset.name) as work:
        table, same = separate_untrained(config, graphs, maker, work.update)
    pd.DataFrame(same, columns=["graph", "other"]).to_csv(folder / "same.csv", index=False)
    notes = [
        f"Not told apart: embeddings differ by {config.separate.tolerance:g} or less (sum of absolute differences, in "
        "float64); in the last row under all models.",
        "Unstable graphs: told apart from a copy with its nodes in another order; there pairs may differ by chance.",
    ]
    publish(folder, f"{config.dataset.name}, {maker.name} with random weights", table, notes)


def pair_by_pair(
    config: SeparateCommand, graphs: PackedGraphs, maker: ModelMaker, folder: Path, console: Console
) -> None:
    """BREC: a training for each pair; pairs that are finished are found again."""
    path, brec = folder / FINISHED, config.brec
    done = finished_pairs(path)
    total = sum(len(PAIRS[category]) for category in brec.categories)
    left = [pair for category in brec.categories for pair in PAIRS[category] if pair not in {*done["pair"]}]
    if len(left) < total:
        console.say(f"{total - len(left)} of {total} pairs are finished: {path}")
    with console.work("pairs") as work:
        for number, row in enumerate(separate_pairs(config, graphs, maker, done["pair"]), start=1):
            append(path, pd.DataFrame([row], columns=COLUMNS).to_csv(index=False, header=False))
            work.update(number, len(left))
    done = finished_pairs(path)
    table = by_category(done, {category: PAIRS[category] for category in PAIRS if category in {*brec.categories}})
    notes = [
        f"{brec.copies} copies of each graph, {brec.outputs} outputs, threshold by the F quantile at {brec.alpha:g}, "
        f"up to {brec.max_epochs} epochs for each pair, seed {config.seed}.",
        "Distinguished: beyond the threshold, and a graph does not differ from itself (Wang & Zhang 2024).",
    ]
    chosen = done[done["category"].isin(brec.categories)]
    limit = threshold(brec.copies, brec.outputs, brec.alpha)
    if hidden := int(((chosen["smoothed_statistic"] > limit) & ~chosen["distinguished"]).sum()):
        notes.append(
            f"{hidden} more would be distinguished with brec.epsilon={EPSILON:g}: they differ where copies do not "
            "vary, which the published statistic leaves out."
        )
        console.notice(notes[-1])
    publish(folder, f"BREC, {maker.name}", table, notes)


def finished_pairs(path: Path) -> pd.DataFrame:
    """The rows of the finished pairs; a row that was only half written is removed from the file."""
    if not path.exists():
        replace_file(path, ",".join(COLUMNS) + "\n")
    whole = read_bytes(path, MOST_CSV).decode().rpartition("\n")[0]
    replace_file(path, f"{whole}\n")
    return pd.read_csv(path)


def settings_hash(cfg: DictConfig, maker: ModelMaker) -> str:
    """Eight hex digits of the SHA-256 of what a result depends on: settings, code, versions of packages."""
    values = OmegaConf.to_container(cfg, resolve=True)
    kept = {key: value for key, value in values.items() if key not in LEFT_OUT}
    for section, keys in NEUTRAL.items():
        kept[section] = {key: value for key, value in kept[section].items() if key not in keys}
    kept["made_with"] = code_of([CODE, maker.module]).to_key()
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:8]


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Within it no other process writes to the folder, which is made if missing. Raises UserError if another does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "running.lock", blocking=False).acquire()
    except Timeout:
        raise UserError(f"{folder}: another process is at work here. Wait for it, or set another seed.") from None
    except OSError as error:
        raise UserError(f"separate.folder={folder.parent}: cannot be written ({error}). Choose another.") from error
    with lock:
        yield
