"""Generated graphs with distances for labels: from a marked source, to the farthest node, or the diameter."""

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import torch
from scipy.sparse.csgraph import shortest_path

from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.node_splits import labelled_rows
from gnn_distill.data.assembly.splits import check_fold, check_split_name, to_splits
from gnn_distill.data.sources.graph_families import draw_graphs, pack
from gnn_distill.data.task import Features, GraphTask
from gnn_distill.errors import UserError, refuse

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import PathsConfig
    from gnn_distill.config.schema.node_graphs import GraphPropertiesConfig

SEED = 2503_01888
"""The seed of the data, so that `seed` never changes a graph."""
TARGETS = ("sssp", "eccentricity")
"""What nodes are asked for; DIAMETER is asked of whole graphs, and so alone."""
DIAMETER = "diameter"
TOLD = (
    "The labels follow from hop distances, which a student with encoding.spd is given as input. student=transformer "
    "reads random walks, and has to find them."
)


def load(dataset: "GraphPropertiesConfig", paths: "PathsConfig") -> GraphTask:
    """Connected graphs of a mixture of families; every part is drawn on its own: a longer one only adds graphs.

    Features: noise, uniform in [0, 1], and with sssp a mark of the source, one node. Labels are hops, as in Corso et
    al. (2020) but not divided by the largest, so that a mean absolute error is one in hops. The diameter is a label of
    the graph, largest of its nodes' eccentricities. Raises UserError for other targets.
    """
    check_split_name(dataset, "auto")
    check_fold(dataset.fold, 1, dataset.name)
    chosen = list(dataset.targets)
    whole = chosen == [DIAMETER]
    if not whole and (not chosen or len(set(chosen)) < len(chosen) or not {*chosen} <= {*TARGETS}):
        raise refuse("dataset.targets", chosen, f"must be one or more of {', '.join(TARGETS)}, or {DIAMETER} alone.")
    if dataset.min_nodes > dataset.max_nodes:
        raise UserError(f"dataset.min_nodes={dataset.min_nodes} exceeds dataset.max_nodes={dataset.max_nodes}.")
    sizes, nodes = [dataset.num_train, dataset.num_val, dataset.num_test], (dataset.min_nodes, dataset.max_nodes)
    columns = [TARGETS.index(target) for target in chosen if not whole]
    networks, features, labels = [], [], []
    for part, size in enumerate(sizes):
        seed = (SEED, dataset.split_seed, part)
        networks += draw_graphs(size, dataset.families, nodes, seed)
        for index, network in enumerate(networks[-size:]):
            rng = np.random.default_rng([*seed, index, 1])
            source = int(rng.integers(len(network)))
            mark = torch.zeros(len(network)).index_fill_(0, torch.tensor(source), 1.0)
            noise = torch.from_numpy(rng.random(len(network))).float()
            features.append(torch.stack([noise, mark], dim=1) if "sssp" in chosen else noise[:, None])
            distances = hops(network, source)
            labels.append(distances[:, 1:].amax(dim=0, keepdim=True) if whole else distances[:, columns])
    graphs = pack(networks, torch.cat(features), torch.cat(labels), "graph" if whole else "node")
    splits = to_splits(*np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]), kind="generated")
    return assemble(
        *(dataset, graphs, splits if whole else labelled_rows(graphs, splits)),
        **{"kind": "regression", "metric": "mae", "node_features": Features("continuous", (graphs.x.size(1),))},
        target_names=tuple(chosen),
        notices=[TOLD],
    )


def hops(network: nx.Graph, source: int) -> torch.Tensor:
    """Hops from the source to every node, and from every node to the farthest: [n, 2], in the order of TARGETS."""
    distances = torch.from_numpy(shortest_path(nx.to_scipy_sparse_array(network, range(len(network))), unweighted=True))
    return torch.stack([distances[source], distances.amax(dim=1)], dim=1).float()
