"""Targets against NetworkX, RDKit and plain loops."""

import csv
from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from random_graphs import pack
from small_tasks import make_spec
from structure_targets import graph_values, groups_of, network, node_values, pair_values
from torch_geometric.data import Data

from gnn_distill.analysis.functional_groups import functional_groups, readable
from gnn_distill.analysis.held_out import HeldOut, held_out
from gnn_distill.analysis.node_types import NodeTypes, node_types
from gnn_distill.analysis.targets import Targets, make_targets
from gnn_distill.cli.main import CONF_DIR
from gnn_distill.config import schema
from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.data.assembly.molecules import ATOM_FEATURES, BOND_FEATURES, smiles_to_data
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.task import GraphTask, Splits

HOPS = 6


def held_of(graphs: PackedGraphs) -> HeldOut:
    """All graphs."""
    everything = np.ones(graphs.x.size(0), dtype=bool)
    return HeldOut(graphs, torch.arange(len(graphs)), graphs.node_graph.numpy(), everything, single=False)


def types_of(graphs: PackedGraphs, kinds: int = 3) -> NodeTypes:
    of_node = torch.randint(kinds, (graphs.x.size(0),), generator=torch.Generator().manual_seed(0)).numpy()
    return NodeTypes(of_node, (0, 1), ("type 0", "type 1"))


def check(held: HeldOut, types: NodeTypes, rows: np.ndarray, found: Targets, graphs: range) -> None:
    """Compare every target of the chosen graphs."""
    node, graph, pair = (values.array for values in (found.node, found.graph, found.pair))
    ptr = held.graphs.node_ptr.tolist()
    for index in graphs:
        g, first = network(held.graphs, index), ptr[index]
        kinds = types.of_node[rows][first : ptr[index + 1]].tolist()
        expected = node_values(g, kinds, types.common, types.names, HOPS)
        whole = graph_values(g, kinds, types.common, types.names, HOPS)
        for column, target in enumerate(found.node.targets):
            if target.family != "functional groups":
                np.testing.assert_allclose(
                    node[first : ptr[index + 1], column],
                    expected[target.name],
                    rtol=1e-5,
                    atol=1e-6,
                    err_msg=target.name,
                )
        for column, target in enumerate(found.graph.targets):
            if target.family != "functional groups":
                np.testing.assert_allclose(
                    graph[index, column], whole[target.name], rtol=1e-5, atol=1e-5, err_msg=target.name
                )
        drawn = (found.pairs >= first).all(1) & (found.pairs < ptr[index + 1]).all(1)
        for row in np.flatnonzero(drawn)[:10]:
            i, j = (found.pairs[row] - first).tolist()
            between = pair_values(g, i, j, kinds, types.common, types.names)
            for column, target in enumerate(found.pair.targets):
                np.testing.assert_allclose(pair[row, column], between[target.name], rtol=1e-5, err_msg=target.name)


@st.composite
def small_networks(draw: st.DrawFn) -> nx.Graph:
    """At most eight nodes, any edges."""
    nodes = draw(st.integers(1, 8))
    edges = [(i, j) for i in range(nodes) for j in range(i)]
    network = nx.empty_graph(nodes)
    network.add_edges_from(draw(st.lists(st.sampled_from(edges), unique=True)) if edges else [])
    return network


@settings(max_examples=60, deadline=None)
@given(st.lists(small_networks(), min_size=1, max_size=4))
def test_every_target_equals_plain_loops_on_small_graphs(networks: list[nx.Graph]) -> None:
    graphs = pack(networks)
    held, types = held_of(graphs), types_of(graphs)
    rows = np.arange(graphs.x.size(0))
    check(held, types, rows, make_targets(held, types, rows, HOPS, 5, 0, False), range(len(networks)))


def test_large_rings_and_bridges_equal_plain_loops() -> None:
    ladder, ring = nx.ladder_graph(9), nx.cycle_graph(9)
    networks = [nx.disjoint_union(ring, nx.path_graph(4)), ladder, nx.petersen_graph(), nx.barbell_graph(4, 5)]
    networks += [nx.gnp_random_graph(24, 0.09, seed=seed) for seed in range(6)]
    graphs = pack(networks)
    held, types = held_of(graphs), types_of(graphs)
    rows = np.arange(graphs.x.size(0))
    check(held, types, rows, make_targets(held, types, rows, HOPS, 40, 0, False), range(len(networks)))


def test_the_order_of_nodes_changes_nothing() -> None:
    networks = [nx.gnp_random_graph(9, 0.25, seed=seed) for seed in range(4)]
    order = np.random.default_rng(0).permutation(9)
    graphs, moved = pack(networks), pack([nx.relabel_nodes(g, dict(enumerate(order.tolist()))) for g in networks])
    places = np.concatenate([9 * g + order for g in range(4)])
    types = types_of(graphs)
    renamed = replace(types, of_node=np.empty_like(types.of_node))
    renamed.of_node[places] = types.of_node
    rows = np.arange(36)
    # NetworkX lists relabelled nodes in another order: edges name them, and features do not matter here.
    assert [sorted(g.nodes) for g in networks] == [list(range(9))] * 4
    one = make_targets(held_of(graphs), types, rows, HOPS, 5, 0, False)
    other = make_targets(held_of(moved), renamed, rows, HOPS, 5, 0, False)
    np.testing.assert_allclose(one.node.array, other.node.array[places], rtol=1e-6)
    np.testing.assert_allclose(one.graph.array, other.graph.array, rtol=1e-5, atol=1e-6)
    same = one.colours[:, None] == one.colours
    assert (same == (other.colours[places][:, None] == other.colours[places])).all()


def test_targets_survive_the_store() -> None:
    graphs = pack([nx.cycle_graph(5), nx.path_graph(7)])
    made = make_targets(held_of(graphs), types_of(graphs), np.arange(12), HOPS, 5, 0, False)
    again = Targets.from_state(made.to_state())
    assert again.node.targets == made.node.targets
    np.testing.assert_array_equal(again.pair.array, made.pair.array)
    np.testing.assert_array_equal(again.colours, made.colours)


SMILES = ("CC(=O)Oc1ccccc1C(=O)O", "CCN(CC)CC", "c1ccc2[nH]ccc2c1", "O=[N+]([O-])c1ccc(Cl)cc1", "CC(=O)[O-].[Na+]")


def test_functional_groups_equal_those_of_rdkit() -> None:
    data = [smiles_to_data(text) for text in SMILES]
    graphs = PackedGraphs.from_data_list([Data(d.x, d.edge_index, d.edge_attr) for d in data], num_targets=1)
    names, member = functional_groups(graphs)
    ptr = graphs.node_ptr.tolist()
    expected = [groups_of(text) for text in SMILES]
    assert {name for groups in expected for name, atoms in groups.items() if atoms} == set(names)
    for index, groups in enumerate(expected):
        for column, name in enumerate(names):
            atoms = set(np.flatnonzero(member[ptr[index] : ptr[index + 1], column]).tolist())
            assert atoms == groups[name], (SMILES[index], name)


def test_functional_groups_need_the_features_of_molecules() -> None:
    spec = make_spec(nodes="categorical", edges="categorical")
    assert not readable(spec)
    assert readable(replace(spec, molecules=True, node_features=ATOM_FEATURES, edge_features=BOND_FEATURES))


def test_types_are_categories_one_hot_columns_or_clusters() -> None:
    random = np.random.default_rng(0)
    graphs = pack([nx.path_graph(4)] * 10)
    splits = Splits(torch.arange(6), torch.arange(6, 8), torch.arange(8, 10))
    categories = torch.from_numpy(random.choice([2, 5, 7], p=[0.2, 0.5, 0.3], size=(40, 1)))

    def types_from(x: torch.Tensor) -> NodeTypes:
        return node_types(GraphTask(make_spec(), replace(graphs, x=x), splits), most=2)

    counts = np.bincount(categories[:24, 0].numpy())
    assert types_from(categories).common == tuple(np.argsort(-counts, kind="stable")[:2].tolist())
    one_hot = torch.nn.functional.one_hot(categories[:, 0]).float()
    assert (types_from(one_hot).of_node == categories[:, 0].numpy()).all()
    clouds = 20.0 * categories + torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    clusters = types_from(clouds).of_node
    apart = clusters[:, None] != clusters
    assert apart[(categories != categories.T).numpy()].all()


def task_of(name: str, mirror: Path) -> GraphTask:
    values = OmegaConf.load(CONF_DIR / "dataset" / f"{name}.yaml")
    (source,) = [d["/schema/dataset@_here_"] for d in values.pop("defaults") if "/schema/dataset@_here_" in d]
    kind = OmegaConf.structured(schema.SCHEMAS[f"dataset/{source}"])
    return load_task(OmegaConf.to_object(OmegaConf.merge(kind, values)), PathsConfig(mirror=str(mirror)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mutag", "nci1", "zinc", "esol", "imdb_binary"])
def test_targets_of_published_sets_equal_networkx(name: str, mirror: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    task = task_of(name, mirror)
    held, types = held_out(task, most=50), node_types(task, 4)
    rows = task.graphs.nodes_of(held.ids).numpy()
    found = make_targets(held, types, rows, HOPS, 20, 0, readable(task.spec))
    check(held, types, rows, found, range(len(held.graphs)))


@pytest.mark.slow
def test_functional_groups_of_a_published_set_equal_those_of_rdkit(mirror: Path) -> None:
    with (mirror / "MoleculeNet" / "esol" / "raw" / "delaney-processed.csv").open() as file:
        smiles = [row["smiles"] for row in csv.DictReader(file)]
    data = [smiles_to_data(text) for text in smiles]
    graphs = PackedGraphs.from_data_list([Data(d.x, d.edge_index, d.edge_attr) for d in data], num_targets=1)
    names, member = functional_groups(graphs)
    assert len(names) > 10
    ptr = graphs.node_ptr.tolist()
    for index, text in enumerate(smiles):
        expected = groups_of(text)
        for column, name in enumerate(names):
            atoms = set(np.flatnonzero(member[ptr[index] : ptr[index + 1], column]).tolist())
            assert atoms == expected[name], (text, name)
