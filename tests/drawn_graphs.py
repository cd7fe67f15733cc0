"""Graphs that hypothesis draws: any directed ones, which shrink to the smallest that fails."""

import networkx as nx
from hypothesis import strategies as st


@st.composite
def networks(draw: st.DrawFn, max_nodes: int = 8) -> nx.MultiDiGraph:
    """Some have loops, parallel edges, lonely nodes, no edge at all, or one node; of some every edge goes both ways."""
    nodes = draw(st.integers(1, max_nodes))
    node = st.integers(0, nodes - 1)
    edges = draw(st.lists(st.tuples(node, node), max_size=3 * nodes))
    if draw(st.booleans()):
        edges += [(target, source) for source, target in edges]
    return network_of(nodes, edges)


def network_of(nodes: int, edges: list[tuple[int, int]]) -> nx.MultiDiGraph:
    network = nx.MultiDiGraph()
    network.add_nodes_from(range(nodes))
    network.add_edges_from(edges)
    return network
