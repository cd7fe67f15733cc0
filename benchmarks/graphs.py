"""Generated graphs that look like molecules, of any size and number; no files are needed."""

import torch
from torch import Tensor

from gnn_distill.data.packed import PackedGraphs, pointers
from gnn_distill.data.task import Features, GraphTask, Splits, TaskSpec

NODE_TYPES, EDGE_TYPES = 28, 4


def drawn_task(count: int, nodes: int, spread: float = 0.2, seed: int = 0) -> GraphTask:
    """`count` graphs of about `nodes` nodes with a random target; all but eight are for training.

    Each is a random tree with one more edge per ten nodes. spread: standard deviation of sizes divided by their mean.
    """
    random = torch.Generator().manual_seed(seed)
    sizes = nodes * (1 + spread * torch.randn(count, generator=random))
    sizes = sizes.round().long().clamp(2, 2 * nodes)
    edges = [_edges(size, random) for size in sizes.tolist()]
    total = sum(index.size(1) for index in edges)
    graphs = PackedGraphs(
        x=torch.randint(NODE_TYPES, (int(sizes.sum()), 1), generator=random),
        edge_index=torch.cat(edges, dim=1),
        # Type 0 stays unused, as in ZINC.
        edge_attr=torch.randint(1, EDGE_TYPES, (total // 2, 1), generator=random).repeat_interleave(2, dim=0),
        y=torch.randn(count, 1, generator=random),
        node_ptr=pointers(sizes),
        edge_ptr=pointers(torch.tensor([index.size(1) for index in edges])),
    )
    ids = torch.arange(count)
    spec = TaskSpec(
        name=f"{count} drawn graphs of {nodes} nodes",
        kind="regression",
        level="graph",
        num_outputs=1,
        node_features=Features("categorical", (NODE_TYPES,)),
        edge_features=Features("categorical", (EDGE_TYPES,)),
        metric="mae",
        higher_is_better=False,
        target_names=("y",),
        target_mean=(0.0,),
        target_std=(1.0,),
    )
    return GraphTask(spec, graphs, Splits(ids[:-8], ids[-8:-4], ids[-4:]))


def _edges(size: int, random: torch.Generator) -> Tensor:
    # A node's parent is one of the few before it: long paths, as in molecules.
    child = torch.arange(1, size)
    parent = (child - 1 - torch.randint(3, (size - 1,), generator=random)).clamp(min=0)
    more = torch.randint(size, (2, size // 10), generator=random)
    more = more[:, more[0] != more[1]]
    pairs = torch.cat([torch.stack([parent, child]), more], dim=1)
    low, high = pairs.min(dim=0).values, pairs.max(dim=0).values
    pairs = torch.unique(torch.stack([low, high]), dim=1)
    return torch.stack([pairs, pairs.flip(0)], dim=2).flatten(1)
