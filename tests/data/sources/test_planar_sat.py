"""EXP and CEXP: the files as they are read, folds that keep pairs together, and what the 1-WL test says of them."""

from pathlib import Path

import networkx as nx
import pytest
import torch

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.structure_data import PlanarSATConfig
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.sources.planar_sat import FILE, load, parse, split_pairs
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError


@pytest.fixture(scope="module")
def paths(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> PathsConfig:
    return PathsConfig(data=str(tmp_path_factory.mktemp("data")), mirror=str(mirror))


@pytest.fixture(scope="module", params=["EXP", "CEXP"])
def task(request: pytest.FixtureRequest, paths: PathsConfig) -> GraphTask:
    return load(PlanarSATConfig(name=request.param), paths)


def to_networkx(graphs: PackedGraphs, index: int) -> nx.Graph:
    graph = graphs.select(torch.tensor([index]))
    made = nx.DiGraph(graph.edge_index.t().tolist())
    made.add_nodes_from((node, {"tag": int(tag)}) for node, tag in enumerate(graph.x[:, 0]))
    assert all(made.has_edge(b, a) and a != b for a, b in made.edges)
    return made.to_undirected()


def test_a_small_file_is_read_as_it_stands() -> None:
    graphs = parse("2\n3 1\n0 2 1 2\n1 1 0\n1 1 0\n2 0\n1 1 1\n0 1 0\n")
    assert graphs.x[:, 0].tolist() == [0, 1, 1, 1, 0]
    assert graphs.y[:, 0].tolist() == [1, 0]
    assert graphs.edge_index.tolist() == [[0, 0, 1, 2, 0, 1], [1, 2, 0, 0, 1, 0]]
    assert (graphs.node_ptr.tolist(), graphs.edge_ptr.tolist()) == ([0, 3, 5], [0, 4, 6])


@pytest.mark.parametrize("text", ["1\n2 0\n0 1 1\n0 1 0\n5\n", "1\n2 0\n0 2 1\n0 1 0\n", "1\n2 0\n0 1 2\n0 1 0\n"])
def test_a_file_that_does_not_add_up_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"graphs|neighbours"):
        parse(text)
    (tmp_path / "expressiveness" / "EXP").mkdir(parents=True)
    (tmp_path / "expressiveness" / "EXP" / FILE).write_text(text)
    with pytest.raises(UserError, match=r"expressiveness/EXP: the raw files cannot be read"):
        load(PlanarSATConfig(name="EXP"), PathsConfig(data=str(tmp_path / "data"), mirror=str(tmp_path)))


def test_published_counts(task: GraphTask) -> None:
    graphs, spec = task.graphs, task.spec
    nodes = {"EXP": (33, 73, 58_442), "CEXP": (40, 81, 66_938)}[spec.name]
    assert (int(graphs.num_nodes.min()), int(graphs.num_nodes.max()), len(graphs.x)) == nodes
    assert graphs.y[:, 0].tolist() == [1, 0] * 600
    assert (spec.kind, spec.metric, spec.num_outputs) == ("binary", "accuracy", 1)


def test_the_1_wl_test_tells_no_pair_of_exp_apart_and_every_second_of_cexp(task: GraphTask) -> None:
    told_apart = []
    for pair in range(0, 600, 25):
        one, other = (
            nx.weisfeiler_lehman_graph_hash(to_networkx(task.graphs, 2 * pair + i), node_attr="tag", iterations=40)
            for i in (0, 1)
        )
        told_apart.append(one != other)
        # CEXP: pairs at even places can be told apart, as the authors' code has it.
        assert told_apart[-1] == (task.spec.name == "CEXP" and pair % 2 == 0)
    assert any(told_apart) == (task.spec.name == "CEXP")


def test_ten_folds_as_in_the_authors_code(paths: PathsConfig) -> None:
    tests = []
    for fold in range(10):
        splits = split_pairs(1200, fold)
        # GNNHyb.py: masks over the graphs, first of all, then of the remaining ones.
        everything = list(range(1200))
        test = everything[fold * 120 : (fold + 1) * 120]
        rest = [graph for graph in everything if graph not in test]
        val = rest[fold * 108 : (fold + 1) * 108]
        assert (splits.test.tolist(), splits.val.tolist()) == (test, val)
        assert splits.train.tolist() == [graph for graph in rest if graph not in val]
        tests += splits.test.tolist()
    assert sorted(tests) == list(range(1200))
    last = load(PlanarSATConfig(name="EXP", fold=9), paths).splits
    assert torch.equal(last.val, split_pairs(1200, 9).val)
    with pytest.raises(UserError, match="folds 0 to 9"):
        load(PlanarSATConfig(name="EXP", fold=10), paths)


@pytest.mark.parametrize("pairs", [10, 37, 600])
def test_no_fold_separates_a_pair(pairs: int) -> None:
    for fold in range(10):
        splits = split_pairs(2 * pairs, fold)
        for part in (splits.train, splits.val, splits.test):
            assert {graph ^ 1 for graph in part.tolist()} == {*part.tolist()}


def test_unknown_names_and_splits_are_refused(paths: PathsConfig) -> None:
    with pytest.raises(UserError, match=r"dataset\.name=EXPO: EXP/CEXP has no such set"):
        load(PlanarSATConfig(name="EXPO"), paths)
    with pytest.raises(UserError, match="EXP offers auto, published"):
        load(PlanarSATConfig(name="EXP", split="random"), paths)
