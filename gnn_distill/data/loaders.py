"""Loaders of the batches of one task, for one stage of training."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from gnn_distill import ranks
from gnn_distill.data.batching import GraphBatch, Share, collate
from gnn_distill.data.budget import check_budget, evaluation_batches
from gnn_distill.data.packed import gather_ranges
from gnn_distill.data.sampler import OF_LIKE_SIZE, BatchSampler
from gnn_distill.data.task import GraphTask, taught_graphs
from gnn_distill.data.transfer import sent

if TYPE_CHECKING:
    from gnn_distill.data.encodings.structural import StructuralEncodings

Extra = Callable[[GraphBatch], Any]
"""Loads additional data of a batch on the host, such as teacher outputs: a dataclass of tensors, or None."""


def no_extra(batch: GraphBatch) -> None:
    """Loads nothing in addition to a batch."""


class Loader(Protocol):
    """Training batches, reshuffled every epoch, and fixed batches of any split."""

    task: GraphTask

    def train(self, epoch: int, extra: Extra = no_extra) -> Iterator[tuple[float, GraphBatch, Any]]:
        """Yields (fraction of the epoch done, batch, extra(batch)) for an epoch."""

    def eval_batches(self, split: str) -> Iterator[GraphBatch]:
        """All examples of a split, the same on every call."""

    def validation(self, model: nn.Module) -> Iterable[GraphBatch]:
        """The batches of the validation split, for `model` as it is whenever they are read."""


def make_loader(
    task: GraphTask,
    encodings: "StructuralEncodings | None",
    *,
    batch_size: int,
    max_pairs: int,
    seed: int,
    limit_batches: int = 0,
    batch_nodes: int = 0,
    taught: str = "train",
    device: torch.device | str = "cpu",
    shared: bool = False,
    padded: bool = True,
) -> Loader:
    """The loader for a task, of many graphs or of one, with batches on `device`.

    batch_nodes: of one graph; taught, shared, padded: as the loaders have it.

    Raises UserError if a single graph exceeds the budget of `max_pairs` padded node pairs.
    """
    if task.split_by_graph:
        return GraphLoader(task, encodings, batch_size, max_pairs, seed, limit_batches, device, taught, shared, padded)
    return NodeLoader(task, encodings, batch_nodes, seed, limit_batches, taught, device)


class GraphLoader:
    """Batches of graphs within the pair budget.

    taught: whether training reads only graphs with a label, and at node level only their labelled nodes (train); all
    training graphs with all their nodes (all); or also those of validation and test (transductive). Whatever is read,
    only labels of the training split count, and all others are NaN; every batch has its share of labelled graphs.
    shared: whether each of the processes of a run has its share of every batch, graphs of all sizes alike; the batches
    are those of one process.
    padded: whether batches are of graphs of like size, which saves a model that pads graphs to the largest of a batch
    most of its pairs. Else they are of any sizes: batch normalisation learns the statistics that evaluation has.
    """

    def __init__(
        self,
        task: GraphTask,
        encodings: "StructuralEncodings | None",
        batch_size: int,
        max_pairs: int,
        seed: int,
        limit_batches: int = 0,
        device: torch.device | str = "cpu",
        taught: str = "train",
        shared: bool = False,
        padded: bool = True,
    ) -> None:
        self.task, self.encodings, self.device, self.taught = task, encodings, torch.device(device), taught
        self._rank, self._ranks = (ranks.rank(), ranks.size()) if shared else (0, 1)
        self.batch_size, self.max_pairs, self.limit_batches = batch_size, max_pairs, limit_batches
        self._sizes = task.graphs.num_nodes
        check_budget(self._sizes, max_pairs, called=task.called)
        self._ids, self._counted = _graphs_and_rows(task)
        labelled, read = self._ids["train"], taught_graphs(task, taught)
        others = None if len(read) == len(labelled) else read[~torch.isin(read, labelled)]
        window = OF_LIKE_SIZE if padded else 1
        self._sampler = BatchSampler(self._sizes, batch_size, max_pairs, seed, labelled, window, others)

    def train(self, epoch: int, extra: Extra = no_extra) -> Iterator[tuple[float, GraphBatch, Any]]:
        """Yields (fraction of the epoch done, batch, extra(batch)) for an epoch."""
        chosen = self._sampler.epoch(epoch)
        chosen = chosen[: self.limit_batches or None]

        def made() -> Iterator[tuple[float, GraphBatch, Any]]:
            for index, ids in enumerate(chosen):
                batch = self._batch(ids, "train", self.taught) if self._ranks == 1 else self._share(ids)
                yield index / len(chosen), batch, extra(batch)

        return sent(made(), self.device)

    def eval_batches(self, split: str) -> Iterator[GraphBatch]:
        """All graphs of a split, sorted by size."""
        chosen = evaluation_batches(self._sizes, self._ids[split], 2 * self.batch_size, self.max_pairs)
        for picked in chosen[: self.limit_batches or None]:
            if len(picked := picked[self._rank :: self._ranks]):
                yield self._batch(picked, split, "train").to(self.device)

    def _share(self, ids: Int[Tensor, " graphs"]) -> GraphBatch:
        """This process's part of a training batch, which is sorted by size."""
        own = ids[self._rank :: self._ranks]
        share = Share(ids, not len(own), lambda: self._batch(ids, "train", self.taught).to(self.device))
        return replace(self._batch(own if len(own) else ids[:1], "train", self.taught), share=share)

    def validation(self, model: nn.Module) -> Iterable[GraphBatch]:
        """Collated once."""
        return list(self.eval_batches("val"))

    def _batch(self, ids: Int[Tensor, " graphs"], split: str, taught: str) -> GraphBatch:
        """Graphs as a batch whose rows, or whose labelled ones, are those in the split."""
        batch = collate(self.task.graphs, self.encodings, ids)
        counted = self._counted[split][ids if self.task.spec.level == "graph" else batch.node_rows]
        if counted.all():
            return batch
        labelled = counted.nonzero().squeeze(1)
        if taught == "train":
            return restrict(batch, labelled)
        return replace(batch, labelled=labelled, y=batch.y.masked_fill(~counted[:, None], torch.nan))


def _graphs_and_rows(task: GraphTask) -> tuple[dict[str, Int[Tensor, " graphs"]], dict[str, Bool[Tensor, " rows"]]]:
    """By part, the ids of its graphs, and the mask of its graphs, or at node level of its nodes."""
    rows = {part: getattr(task.splits, part) for part in ("train", "val", "test")}
    none = torch.zeros(len(task.graphs.y), dtype=torch.bool)
    masks = {part: none.index_fill(0, picked, True) for part, picked in rows.items()}
    if task.spec.level == "graph":
        return rows, masks
    return {part: task.graphs.graphs_of(picked) for part, picked in rows.items()}, masks


class NodeLoader:
    """Whole large graphs, with all their training nodes in every step, or `batch_nodes` at a time.

    taught: whether the rows of a step are only the training nodes (train), or all nodes of their graphs (all), of
    which only the labels of training nodes count. Every mini-batch has its share of both.
    """

    def __init__(
        self,
        task: GraphTask,
        encodings: "StructuralEncodings | None",
        batch_nodes: int,
        seed: int,
        limit_batches: int = 0,
        taught: str = "train",
        device: torch.device | str = "cpu",
    ) -> None:
        self.task, self.encodings, self.device = task, encodings, torch.device(device)
        self.batch_nodes, self.seed, self.limit_batches, self.taught = batch_nodes, seed, limit_batches, taught
        self._graphs: dict[tuple, GraphBatch] = {}
        self._undivided: GraphBatch | None = None

    def train(self, epoch: int, extra: Extra = no_extra) -> Iterator[tuple[float, GraphBatch, Any]]:
        """Yields (fraction of the epoch done, batch, extra(batch)) for an epoch."""
        if self.device.type == "cpu":
            yield from self._made(epoch, extra)
            return
        there, _ = self._graphs_of("train", self.device)

        def changes() -> Iterator[tuple]:
            """What differs from the whole graph, which is on the device already."""
            for share, batch, found in self._made(epoch, extra):
                yield share, batch.outputs, batch.labelled, batch.y, batch.derived, found

        for share, outputs, labelled, y, derived, found in sent(changes(), self.device):
            batch = replace(there, outputs=outputs, labelled=labelled, y=y)
            batch.derived = derived
            yield share, batch, found

    def eval_batches(self, split: str) -> Iterator[GraphBatch]:
        """All nodes of a split, in order."""
        graphs, nodes = self._graphs_of(split, self.device)
        for picked in nodes.split(self.batch_nodes or len(nodes))[: self.limit_batches or None]:
            yield restrict(graphs, picked.to(self.device))

    def validation(self, model: nn.Module) -> Iterable[GraphBatch]:
        """Made once."""
        return list(self.eval_batches("val"))

    def _made(self, epoch: int, extra: Extra) -> Iterator[tuple[float, GraphBatch, Any]]:
        """The batches of an epoch on the host."""
        graphs, labelled = self._graphs_of("train", torch.device("cpu"))
        num_nodes = len(graphs.node_rows)
        rows = num_nodes if self.taught == "all" else len(labelled)
        parts = -(-rows // self.batch_nodes) if self.batch_nodes else 1
        if parts == 1:
            if self._undivided is None:  # cached, with everything that is derived from it
                everything = self.taught == "all"
                self._undivided = replace(graphs, labelled=labelled) if everything else restrict(graphs, labelled)
            yield 0.0, self._undivided, extra(self._undivided)
            return
        others = labelled.new_empty(0)
        if self.taught == "all":
            others = torch.ones(num_nodes, dtype=torch.bool).index_fill_(0, labelled, False).nonzero().squeeze(1)
        chosen = shares(labelled, others, parts, (self.seed, epoch))[: self.limit_batches or None]
        for index, (examples, more) in enumerate(chosen):
            batch = restrict(graphs, torch.cat([examples, more]))
            batch = replace(batch, labelled=torch.arange(len(examples)))
            yield index / len(chosen), batch, extra(batch)

    def _graphs_of(self, split: str, device: torch.device) -> tuple[GraphBatch, Int[Tensor, " nodes"]]:
        """The graphs that contain a split, as one batch that is kept on a device, and the rows of its nodes there."""
        packed, rows = self.task.graphs, getattr(self.task.splits, split)
        ids = packed.graphs_of(rows)
        key = (device.type, *ids.tolist())
        if key not in self._graphs:
            graphs = collate(packed, self.encodings, ids)
            # Shifted zeros are no longer zeros; and a GPU multiplies faster by all of them than it transposes.
            if not self.task.spec.node_features.std and self.device.type == "cpu":
                graphs = replace(graphs, x=sparse_where_worth(graphs.x))
            self._graphs[key] = graphs.to(device)
        return self._graphs[key], torch.searchsorted(gather_ranges(packed.node_ptr, ids), rows)


def shares(
    labelled: Int[Tensor, " examples"], others: Int[Tensor, " nodes"], parts: int, seed: tuple[int, int]
) -> list[tuple[Tensor, Tensor]]:
    """Both kinds of nodes in a random order, cut into as many parts, each with its share of both."""
    random = np.random.default_rng(seed)
    cut = [ids[torch.from_numpy(random.permutation(len(ids)))].tensor_split(parts) for ids in (labelled, others)]
    # The larger parts of one kind are combined with the smaller of the other, so that batches are equal.
    return list(zip(cut[0], reversed(cut[1]), strict=True))


def sparse_where_worth(x: Tensor) -> Tensor:
    """Features in CSR form if at most one in ten is nonzero, as in bags of words; else unchanged."""
    if not x.is_floating_point() or x.count_nonzero() > 0.1 * x.numel():
        return x
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return x.to_sparse_csr()


def restrict(batch: GraphBatch, outputs: Int[Tensor, " rows"]) -> GraphBatch:
    """The same graphs with outputs only for the nodes `outputs`."""
    return replace(batch, outputs=outputs, y=batch.y[outputs])
