"""Whole models on two fixed graphs: a Graphormer, a GPS and a Graph ViT by their formulas, graph by graph, in numpy;
all others by the outputs that were recorded when they agreed with the code of their authors.

Weights are a formula too, in the order in which a model has them, so nothing here hangs on a random generator.
"""

from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.special import erf
from small_tasks import choices, encode, make_spec, preset
from torch import nn
from torch_geometric.data import Data

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.models import build_student, build_teacher
from gnn_distill.models.embeddings import in_double

# A ring of five with one chord, and a path of three beside a lonely node.
NETWORKS = (nx.Graph([(0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (1, 3)]), nx.Graph([(0, 1), (1, 2)]))
NETWORKS[1].add_node(3)
WIDTH, HEADS, LAYERS, MAX_SPD = 8, 2, 2, 2
SPEC = make_spec("multiclass", edges="categorical")
ENCODING = EncodingConfig(degree=True, max_degree=4, spd=True, max_spd=MAX_SPD, rwse=3)
NODE_ENCODING = EncodingConfig(degree=True, max_degree=4, max_spd=MAX_SPD, rwse=3)
PATCHES = {"gnn_layers": LAYERS, "patch_walk": 3}
Weights = dict[str, np.ndarray]


def wave(rows: int, columns: int, shift: float) -> torch.Tensor:
    return torch.sin(1.7 * torch.arange(rows * columns, dtype=torch.float64) + shift).view(rows, columns)


def graphs() -> PackedGraphs:
    data = []
    for network in NETWORKS:
        edges = torch.tensor(sorted(network.to_directed().edges)).T
        kinds = (edges.sum(dim=0, keepdim=True).T % 4, edges.sum(dim=0, keepdim=True).T % 2)
        data.append(Data(wave(len(network), 3, 0.5).float(), edges, torch.cat(kinds, dim=1), torch.tensor([1.0])))
    return PackedGraphs.from_data_list(data, 1)


def with_waves(model: nn.Module) -> nn.Module:
    """Weights of about the size of trained ones; norms' scales and variances around 1."""
    with torch.no_grad():
        statistics = [value for name, value in model.named_buffers() if name.endswith(("running_mean", "running_var"))]
        for number, value in enumerate([*model.parameters(), *statistics]):
            if value.dim():
                waves = wave(value.numel(), 1, number).view(value.shape)
                value.copy_(1 + 0.3 * waves if value.dim() == 1 else 0.5 * waves)
    return model.eval()


def student(name: str, encoding: EncodingConfig = NODE_ENCODING) -> nn.Module:
    size = {"hidden_channels": WIDTH, "num_layers": LAYERS, "num_heads": HEADS, **PATCHES}
    return with_waves(build_student(preset("student", name, **size), encoding, SPEC))


def teacher(name: str) -> nn.Module:
    return with_waves(build_teacher(preset("teacher", name, hidden_channels=WIDTH, num_layers=LAYERS), SPEC))


def outputs(model: nn.Module, encoding: EncodingConfig) -> np.ndarray:
    """Logits of both graphs, in the precision of the weights."""
    packed, exact = graphs(), next(model.parameters()).dtype
    found = encode(packed, encoding, preset("student", "graphvit", **PATCHES))
    packed.x, found = packed.x.to(exact), in_double(found) if exact == torch.double else found
    with torch.no_grad():
        return model(collate(packed, found, torch.arange(2))).logits.numpy()


def linear(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0)


def layer_norm(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def batch_norm(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    scale = w[f"{name}.weight"] / np.sqrt(w[f"{name}.running_var"] + 1e-5)
    return (x - w[f"{name}.running_mean"]) * scale + w[f"{name}.bias"]


def attend(qkv: np.ndarray, bias: Callable[[int], np.ndarray]) -> np.ndarray:
    """softmax(q·kᵀ/√d + bias)·v, head by head; q, k and v side by side."""
    heads = []
    parts = (np.split(part, HEADS, axis=1) for part in np.split(qkv, 3, axis=1))
    for head, (q, k, v) in enumerate(zip(*parts, strict=True)):
        scores = np.exp(q @ k.T / np.sqrt(WIDTH / HEADS) + bias(head))
        heads.append(scores / scores.sum(1, keepdims=True) @ v)
    return np.concatenate(heads, axis=1)


def inputs(w: Weights, network: nx.Graph, features: str, structure: str) -> np.ndarray:
    x = wave(len(network), 3, 0.5).float().double().numpy()
    degree = [network.degree[node] for node in sorted(network)]
    x = linear(w, f"{features}.linear", x)
    x = x + w[f"{structure}.in_degree.weight"][degree] + w[f"{structure}.out_degree.weight"][degree]
    adjacency = nx.to_numpy_array(network, nodelist=sorted(network))
    walk = adjacency / np.maximum(adjacency.sum(1, keepdims=True), 1)
    returns = np.stack([np.diag(np.linalg.matrix_power(walk, step)) for step in (1, 2, 3)], axis=1)
    return x + linear(w, f"{structure}.rwse", returns.astype(np.float32).astype(float))


def graphormer(w: Weights, network: nx.Graph) -> np.ndarray:
    x = np.concatenate([w["token"][None], inputs(w, network, "features", "structure")])
    hops = dict(nx.all_pairs_shortest_path_length(network))
    unreachable, from_token, to_token = MAX_SPD + 1, MAX_SPD + 2, MAX_SPD + 3

    def entry(query: int, key: int) -> int:
        if query == 0 or key == 0:
            return from_token if query == 0 else to_token
        return min(hops[query - 1][key - 1], MAX_SPD) if key - 1 in hops[query - 1] else unreachable

    rows = np.array([[entry(query, key) for key in range(len(x))] for query in range(len(x))])
    return head(w, layer_norm(w, "norm", transformer(w, x, rows))[0])


def transformer(w: Weights, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """All layers, with entry `rows` of the bias table for every pair."""
    for layer in range(LAYERS):
        name = f"layers.{layer}"
        qkv = linear(w, f"{name}.attention.qkv", layer_norm(w, f"{name}.norm1", x))
        x = x + linear(w, f"{name}.attention.out", attend(qkv, lambda head: w["bias.table"][rows, head]))
        hidden = linear(w, f"{name}.ffn.0", layer_norm(w, f"{name}.norm2", x))
        x = x + linear(w, f"{name}.ffn.3", hidden * (1 + erf(hidden / np.sqrt(2))) / 2)
    return x


def gps(w: Weights, network: nx.Graph) -> np.ndarray:
    x = inputs(w, network, "inputs.features", "inputs.structure")
    edges = sorted(network.to_directed().edges)
    table = w["inputs.edges.tables.weight"]  # four rows of the first category, then two of the second
    states = [table[(a + b) % 4] + table[4 + (a + b) % 2] for a, b in edges]
    for layer in range(LAYERS):
        name = f"layers.{layer}"
        heard = x.copy()  # GINE: h_i + Σ relu(h_j + e_ji)
        for (source, target), state in zip(edges, states, strict=True):
            heard[target] += np.maximum(x[source] + state, 0)
        local = linear(w, f"{name}.conv.nn.2", np.maximum(linear(w, f"{name}.conv.nn.0", heard), 0))
        qkv = x @ w[f"{name}.attn.in_proj_weight"].T + w[f"{name}.attn.in_proj_bias"]
        seen = linear(w, f"{name}.attn.out_proj", attend(qkv, lambda head: np.zeros(1)))
        x = batch_norm(w, f"{name}.norm1", x + local) + batch_norm(w, f"{name}.norm2", x + seen)
        hidden = np.maximum(linear(w, f"{name}.mlp.0", x), 0)
        x = batch_norm(w, f"{name}.norm3", x + linear(w, f"{name}.mlp.3", hidden))
    return head(w, x.mean(0))


def graphvit(w: Weights, network: nx.Graph) -> np.ndarray:
    nodes = inputs(w, network, "features", "node_structure")
    parts = [sorted(part) for part in nx.community.louvain_communities(network, seed=0)]
    cut = np.array([[sum(network.has_edge(a, b) for a in one for b in other) for other in parts] for one in parts])
    walk = cut / np.maximum(cut.sum(1, keepdims=True), 1)
    returns = np.stack([np.diag(np.linalg.matrix_power(walk, step)) for step in (1, 2, 3)], axis=1)
    table, patches = w["edges.tables.weight"], []
    for part in parts:
        inside = sorted({*part} | {near for node in part for near in network[node]})
        x = {node: nodes[node] for node in inside}
        for layer in range(LAYERS):
            heard = {node: state.copy() for node, state in x.items()}
            for a, b in network.subgraph(inside).to_directed().edges:
                heard[b] += np.maximum(x[a] + table[(a + b) % 4] + table[4 + (a + b) % 2], 0)
            states = np.stack([heard[node] for node in inside])
            hidden = np.maximum(linear(w, f"convs.{layer}.nn.0", states), 0)
            states = np.maximum(batch_norm(w, f"norms.{layer}", linear(w, f"convs.{layer}.nn.2", hidden)), 0)
            x = {node: x[node] + state for node, state in zip(inside, states, strict=True)}
        patches.append(np.mean([x[node] for node in inside], axis=0))
    hops = dict(nx.all_pairs_shortest_path_length(nx.from_numpy_array(cut)))
    every = range(len(parts))
    rows = np.array([[min(hops[a].get(b, MAX_SPD + 1), MAX_SPD + 1) for b in every] for a in every])
    x = transformer(w, np.stack(patches) + linear(w, "structure.rwse", returns), rows)
    return head(w, layer_norm(w, "norm", x).mean(0))


def head(w: Weights, graph: np.ndarray) -> np.ndarray:
    return linear(w, "output.head.3", np.maximum(linear(w, "output.head.0", graph), 0))


@pytest.mark.parametrize(
    ("name", "encoding", "formula"),
    [("graphormer", ENCODING, graphormer), ("gps", NODE_ENCODING, gps), ("graphvit", NODE_ENCODING, graphvit)],
)
def test_the_formula_of_the_paper(name: str, encoding: EncodingConfig, formula: Callable) -> None:
    model = student(name, encoding).double()
    weights = {key: value.numpy() for key, value in model.state_dict().items()}
    expected = np.stack([formula(weights, network) for network in NETWORKS])
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    np.testing.assert_allclose(outputs(model, encoding), expected, rtol=1e-9, atol=1e-9)


RECORDED = {  # logits of both graphs
    "gat": [-0.975529, -0.906282, 0.818117, -1.38405, -1.08885, 1.0398],
    "gatedgcn": [3.96687, 4.77787, 2.25017, 3.58381, 3.6538, 1.48284],
    "gcn": [4.17299, 6.66138, 3.29587, 3.67204, 5.13841, 2.2382],
    "gin": [-0.745252, -1.35622, 0.127366, -0.447944, -0.905744, 0.291081],
    "mlp": [0.270905, 3.76497, 4.23374, 0.615253, 2.98359, 3.08973],
    "pna": [-0.468962, 1.05175, 2.9026, 1.90206, 4.97486, 4.54652],
    "sage": [0.0903848, 3.72149, 5.01655, 0.706225, 3.2936, 3.96281],
    "gps": [0.53113, -0.702054, -0.0636552, 3.25852, -0.536053, -2.62116],
    "graphormer": [0.78361, 0.854053, 0.74344, 0.723654, 0.808988, 0.757277],
    "graphvit": [1.9782, 0.0723454, -0.577957, 2.24367, 0.175383, -0.737974],
    "nagphormer": [2.88286, 1.19474, -0.683904, 2.72285, 1.73593, 0.0299603],
    "polynormer": [1.27257, 1.44916, 1.19085, 1.35764, 1.15464, 0.804365],
    "sgformer": [0.780467, 0.510754, 0.61112, 0.726735, 0.499931, 0.653775],
    "transformer": [1.56539, 0.600877, 0.0258065, 1.28001, 0.515932, 0.224245],
}
TEACHERS = [name for name in choices("teacher") if name not in ("none", "custom", "file")]
STUDENTS = [name for name in choices("student") if name != "none"]


@pytest.mark.parametrize("name", [*TEACHERS, *STUDENTS])
def test_the_outputs_that_were_recorded(name: str) -> None:
    if name in TEACHERS:
        found = outputs(teacher(name), EncodingConfig())
    else:
        encoding = ENCODING if name in ("graphormer", "transformer") else NODE_ENCODING
        found = outputs(student(name, encoding), encoding)
    np.testing.assert_allclose(found.flatten(), RECORDED[name], rtol=1e-4, atol=1e-4)
