"""Examples that the tuned split shares with the test parts of other splits of the same data."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.task import GraphTask
from gnn_distill.experiments.tuned import Overlap, split_name

Pair = Mapping[str, int]


class Overlaps:
    """Counts test examples that tuning has read; every split is loaded once."""

    def __init__(self) -> None:
        self._tasks: dict[str, GraphTask] = {}

    def of(self, cfg: DictConfig, tuned_on: Sequence[Pair], pairs: Sequence[Pair]) -> dict[str, Overlap]:
        """For each split of `pairs` that is not in `tuned_on`, its overlap with their training and validation parts.

        cfg: a config of `train`. Splits of other graphs, such as graphs generated again, share nothing that could be
        counted, and are left out.
        """
        own = {split_name(pair): pair for pair in tuned_on}
        others = {split_name(pair): pair for pair in pairs if split_name(pair) not in own}
        if not others or "" in own:
            return {}
        seen = [self._task(cfg, pair) for pair in own.values()]
        train, val = (torch.cat([getattr(task.splits, part) for task in seen]) for part in ("train", "val"))
        counted = {}
        for split, pair in others.items():
            task = self._task(cfg, pair)
            if all(_same_graphs(task, other) for other in seen):
                test = task.splits.test
                counted[split] = Overlap(len(test), *(int(torch.isin(test, part).sum()) for part in (train, val)))
        return counted

    def _task(self, cfg: DictConfig, pair: Pair) -> GraphTask:
        dataset = cfg.dataset.copy()
        for key, value in pair.items():
            section, _, name = key.partition(".")
            if section == "dataset":
                dataset[name] = value
        key = OmegaConf.to_yaml(dataset, resolve=True)
        if key not in self._tasks:
            self._tasks[key] = load_task(OmegaConf.to_object(dataset), OmegaConf.to_object(cfg.paths))
        return self._tasks[key]


def _same_graphs(one: GraphTask, other: GraphTask) -> bool:
    """Whether ids mean the same graphs in both; features are not compared, since a split may standardise them."""
    graphs: list[Any] = [(own.node_ptr, own.edge_index) for own in (one.own_graphs, other.own_graphs)]
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(*graphs, strict=True))
