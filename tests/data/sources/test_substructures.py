"""Substructure counts against networkx, and the graphs against the published recipe."""

from collections import Counter
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
import torch
from networkx.algorithms.isomorphism import GraphMatcher

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.structure_data import SUBSTRUCTURES, SubstructuresConfig
from gnn_distill.data.sources.substructures import REGULAR, count, load
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError

PATTERNS = {
    "triangle": nx.cycle_graph(3),
    "tailed_triangle": nx.lollipop_graph(3, 1),
    "star": nx.star_graph(3),
    "chordal_cycle": nx.diamond_graph(),
    **{f"cycle_{length}": nx.cycle_graph(length) for length in (4, 5, 6)},
}
SMALL = {"num_train": 60, "num_val": 20, "num_test": 20}


def make(**changes: object) -> GraphTask:
    return load(SubstructuresConfig(**{**SMALL, **changes}), PathsConfig())


def slow_count(graph: nx.Graph, pattern: nx.Graph) -> int:
    """Subgraphs of a graph that are isomorphic to a pattern: its embeddings over its symmetries."""
    embeddings = sum(1 for _ in GraphMatcher(graph, pattern).subgraph_monomorphisms_iter())
    return embeddings // sum(1 for _ in GraphMatcher(pattern, pattern).isomorphisms_iter())


def graphs() -> list[nx.Graph]:
    rng = np.random.default_rng(0)
    random = [nx.gnp_random_graph(n, p, seed=int(rng.integers(99))) for n in (4, 6, 7) for p in (0.3, 0.6, 0.9)]
    return [*random, nx.complete_graph(6), nx.petersen_graph(), nx.star_graph(6), nx.path_graph(5), nx.empty_graph(3)]


def test_there_is_a_pattern_for_every_name() -> None:
    assert {*PATTERNS} == {*SUBSTRUCTURES}


@pytest.mark.parametrize("name", SUBSTRUCTURES)
def test_counts_are_those_of_networkx(name: str) -> None:
    adjacency = np.zeros((len(graphs()), 12, 12), dtype=bool)
    for index, graph in enumerate(graphs()):  # padded, as in the source
        adjacency[index, : len(graph), : len(graph)] = nx.to_numpy_array(graph)
    expected = [slow_count(graph, PATTERNS[name]) for graph in graphs()]
    assert count(adjacency, (name,))[:, 0].round(6).tolist() == expected


def test_cycles_of_the_sets_own_graphs() -> None:
    task = make(targets=["cycle_6", "cycle_5"])
    for index in (0, 1, 2):
        graph = to_networkx(task, index)
        lengths = Counter(map(len, nx.simple_cycles(graph, length_bound=6)))
        ratio = task.graphs.y[index] / task.graphs.y[0]
        first = Counter(map(len, nx.simple_cycles(to_networkx(task, 0), length_bound=6)))
        for column, length in enumerate((6, 5)):
            assert float(ratio[column]) == pytest.approx(lengths[length] / first[length], rel=1e-5)


def to_networkx(task: GraphTask, index: int) -> nx.Graph:
    graph = task.graphs.select(torch.tensor([index]))
    made = nx.DiGraph()
    made.add_nodes_from(range(len(graph.x)))
    made.add_edges_from(graph.edge_index.t().tolist())
    assert all(made.has_edge(b, a) and a != b for a, b in made.edges)
    return made.to_undirected()


def test_regular_graphs_lose_as_many_edges_as_they_have_nodes() -> None:
    task, degrees = make(num_train=200), dict(REGULAR)
    seen = Counter()
    for index in range(200):
        graph = to_networkx(task, index)
        seen[len(graph)] += 1
        assert graph.number_of_edges() == len(graph) * degrees[len(graph)] // 2 - len(graph)
        assert max(degree for _, degree in graph.degree) <= degrees[len(graph)]
    assert {*seen} == {*degrees}
    assert min(seen.values()) > 30


def test_erdos_renyi_graphs_have_their_density() -> None:
    task = make(num_train=500, family="erdos_renyi")
    assert {*task.graphs.num_nodes.tolist()} == {10}
    assert float(task.graphs.num_edges[:500].double().mean()) / 90 == pytest.approx(0.3, abs=0.01)


def test_targets_have_unit_spread_in_training_and_nothing_is_read_from_the_test_part() -> None:
    task = make()
    assert torch.allclose(task.graphs.y[task.splits.train].std(dim=0, correction=0), torch.ones(7))
    other = make(num_test=40)
    assert torch.equal(other.graphs.y[:60], task.graphs.y[:60])
    assert (task.spec.metric, task.spec.target_names) == ("mae", SUBSTRUCTURES)


def test_parts_only_grow_and_a_split_seed_draws_others() -> None:
    task, longer = make(), make(num_train=80)
    for index in (0, 59):
        assert nx.utils.graphs_equal(to_networkx(task, index), to_networkx(longer, index))
    assert nx.utils.graphs_equal(to_networkx(task, 60), to_networkx(longer, 80))
    assert make().fingerprint == task.fingerprint
    assert make(split_seed=1).fingerprint != task.fingerprint


def test_no_two_graphs_of_a_family_are_drawn_alike() -> None:
    task = make(num_train=30)
    drawn = [to_networkx(task, index) for index in range(30)]
    assert not any(nx.utils.graphs_equal(a, b) for a, b in combinations(drawn, 2))


@pytest.mark.parametrize("targets", [[], ["star", "star"]])
def test_targets_are_named_once(targets: list[str]) -> None:
    with pytest.raises(UserError, match=r"dataset\.targets"):
        make(targets=targets)
