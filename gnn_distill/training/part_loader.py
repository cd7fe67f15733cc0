"""The loader of one large graph in parts: sampled neighbourhoods, random or METIS parts, or nodes with their hops."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from gnn_distill.config.schema.run import TrainerConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.loaders import Extra, no_extra, shares
from gnn_distill.data.part_batches import PartBatches
from gnn_distill.data.sampling import CSRSampler, Nodes, cluster_parts, neighbourhoods, random_parts
from gnn_distill.data.task import GraphTask
from gnn_distill.data.transfer import sent
from gnn_distill.models.gnn_backbone import GNN
from gnn_distill.models.layerwise import infer

if TYPE_CHECKING:
    from gnn_distill.data.encodings.structural import StructuralEncodings

FIXED = 0
"""The epoch whose parts evaluation reads: no epoch of training has this number."""


@dataclass(frozen=True)
class Sampling:
    """How one large graph is read in parts."""

    sampler: str
    """neighbor, random or cluster."""
    fanout: tuple[int, ...]
    """neighbor: neighbours that are drawn of a node, by hop."""
    parts: int
    """random, cluster: number of parts."""
    batch_nodes: int
    """neighbor: nodes whose outputs count, per batch."""

    def split(self, parts: int) -> "Sampling":
        """The same with batches of 1/`parts` of their size."""
        return replace(self, parts=self.parts * parts, batch_nodes=max(1, self.batch_nodes // parts))


def sampling_of(trainer: TrainerConfig, sampler: str | None = None) -> Sampling | None:
    """What `trainer` says, with another `sampler` if one is given; None: graphs are read as a whole."""
    sampler = sampler or trainer.sampler
    return None if sampler == "full" else Sampling(sampler, tuple(trainer.fanout), trainer.parts, trainer.batch_nodes)


class PartLoader:
    """Batches of parts of one large graph for training; for evaluation exact states, or parts that stay the same.

    A GNN is evaluated by its exact states, found layer by layer in one pass for all splits, until training goes on.
    A student that reads stored hops needs no neighbours: its batches are the nodes alone, which makes evaluation exact.
    All others are evaluated on parts as they are trained on. taught: as in `NodeLoader`.
    """

    def __init__(
        self,
        task: GraphTask,
        encodings: "StructuralEncodings | None",
        sampling: Sampling,
        seed: int,
        limit_batches: int = 0,
        taught: str = "train",
        device: torch.device | str = "cpu",
    ) -> None:
        self.task, self.sampling, self.seed, self.limit_batches = task, sampling, seed, limit_batches
        self.taught, self.device = taught, torch.device(device)
        self.parts = PartBatches(task, encodings)
        self.reads_hops = encodings is not None and encodings.hops is not None
        self._clusters: dict[int, list[Nodes]] = {}
        """By the first node of a graph."""
        self._known: tuple[tempfile.TemporaryDirectory, Tensor] | None = None

    def train(self, epoch: int, extra: Extra = no_extra) -> Iterator[tuple[float, GraphBatch, Any]]:
        """Yields (fraction of the epoch done, batch, extra(batch)) for an epoch."""
        self._known = None  # what was inferred is of weights that change now
        labelled, nodes = self.parts.nodes_of("train")
        rows = nodes if self.taught == "all" else labelled
        if self.sampling.sampler == "neighbor":
            others = torch.from_numpy(np.setdiff1d(rows, labelled, assume_unique=True))
            count = -(-len(rows) // self.sampling.batch_nodes)
            chosen = shares(torch.from_numpy(labelled), others, count, (self.seed, epoch))
            chosen = chosen[: self.limit_batches or None]
            made = self._around([torch.cat(pair).numpy() for pair in chosen], (self.seed, epoch))
            counts = [len(examples) for examples, _ in chosen]
        else:
            chosen = [part for part in self._cut(nodes, epoch) if np.isin(part, rows).any()]
            chosen = chosen[: self.limit_batches or None]
            made, counts = (self._part(part, rows, labelled) for part in chosen), [None] * len(chosen)

        def batches() -> Iterator[tuple[float, GraphBatch, Any]]:
            for index, (batch, count) in enumerate(zip(made, counts, strict=True)):
                if count is not None:  # the examples come first
                    batch.labelled = torch.arange(count)
                yield index / len(chosen), batch, extra(batch)

        yield from sent(batches(), self.device)

    def eval_batches(self, split: str, model: nn.Module | None = None) -> Iterator[GraphBatch]:
        """All nodes of a split, in order or part by part; `model` is who will read them, where that is a GNN."""
        wanted, nodes = self.parts.nodes_of(split)
        if isinstance(model, GNN):
            made = self._inferred(model, wanted, nodes)
        elif self.sampling.sampler == "neighbor":
            cut = np.array_split(wanted, -(-len(wanted) // self.sampling.batch_nodes))
            made = self._around(cut, (FIXED, FIXED))
        else:
            cut = (part for part in self._cut(nodes, FIXED) if np.isin(part, wanted).any())
            made = (self._part(part, wanted, wanted) for part in cut)
        for index, batch in enumerate(made):
            if self.limit_batches and index == self.limit_batches:
                return
            yield batch.to(self.device)

    def validation(self, model: nn.Module) -> Iterable[GraphBatch]:
        """Made anew whenever they are read: they depend on the model, and need not fit into memory."""
        return Repeatable(partial(self.eval_batches, "val", model))

    def _around(self, seeds: list[Nodes], seed: tuple[int, int]) -> Iterator[GraphBatch]:
        """A batch for each array of seeds, whose outputs count: they alone with their hops, or their neighbourhood."""
        sampler = CSRSampler(self.parts.edges, self.sampling.fanout, seed)
        if self.reads_hops:
            yield from (self.parts.batch(sampler.among(nodes)) for nodes in seeds)
            return
        for found, count in neighbourhoods(sampler, seeds):
            source, target = found.edge_index.numpy()
            edge = found.e_id.numpy() if "e_id" in found else None
            yield self.parts.batch((found.n_id.numpy(), source, target, edge), outputs=torch.arange(count))

    def _part(self, part: Nodes, rows: Nodes, labelled: Nodes) -> GraphBatch:
        """The part with outputs for those of its nodes that are among `rows`; of these, labels of `labelled` count."""
        outputs = torch.from_numpy(np.flatnonzero(np.isin(part, rows)))
        known = torch.from_numpy(np.flatnonzero(np.isin(part[outputs.numpy()], labelled)))
        found = CSRSampler(self.parts.edges, ()).among(part)
        return self.parts.batch(found, outputs if len(outputs) < len(part) else None, known)

    def _cut(self, nodes: Nodes, epoch: int) -> list[Nodes]:
        """The parts of an epoch: random ones are drawn anew, clusters come in another order."""
        if self.sampling.sampler == "random":
            return random_parts(nodes, self.sampling.parts, (self.seed if epoch else FIXED, epoch))
        first = int(nodes[0])
        if first not in self._clusters:
            self._clusters[first] = cluster_parts(self.parts.edges, nodes, self.sampling.parts)
        clusters = self._clusters[first]
        order = np.random.default_rng((self.seed, epoch)).permutation(len(clusters))
        return [clusters[number] for number in order]

    def _inferred(self, model: GNN, wanted: Nodes, nodes: Nodes) -> Iterator[GraphBatch]:
        """Rows with their exact last states."""
        if self._known is None:
            folder = tempfile.TemporaryDirectory(prefix="gnn-distill-")
            self._known = folder, last_states(model, self.parts, Path(folder.name))
        states = self._known[1]
        for start in range(0, len(wanted), 1 << 16):
            rows = wanted[start : start + (1 << 16)]
            yield self.parts.rows(rows, (states[torch.from_numpy(rows)],))


class Repeatable:
    """Can be iterated many times, by a function that starts an iterator."""

    def __init__(self, start: Callable[[], Iterator[GraphBatch]]) -> None:
        self.start = start

    def __iter__(self) -> Iterator[GraphBatch]:
        return self.start()


def last_states(model: GNN, parts: PartBatches, folder: Path) -> Tensor:
    """The last states of all nodes of all graphs of a task, as a memory map in `folder`."""
    ptr = parts.task.graphs.node_ptr.tolist()
    shape = (ptr[-1], model.state_channels[-1])
    states = np.lib.format.open_memmap(folder / "last.npy", "w+", np.float32, shape)
    for low, high in pairwise(ptr):

        def visit(layer: int, start: int, rows: Tensor, low: int = low) -> None:
            if layer == len(model.state_channels):
                states[low + start : low + start + len(rows)] = rows.numpy()

        infer(model, parts, np.arange(low, high), visit, folder)
    return torch.from_numpy(states)
