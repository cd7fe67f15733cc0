"""What holds for every teacher and student: an output is a graph's own, whatever its batch, padding or node order."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from small_tasks import awaken, choices, encode, make_graphs, make_spec, preset
from torch import Tensor, nn

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.subgraphs.bisection import bisected
from gnn_distill.data.subgraphs.node_sets import communities
from gnn_distill.data.subgraphs.patches import patches_of
from gnn_distill.models import build_student, build_teacher
from gnn_distill.models.layers.norms import BatchNorm
from gnn_distill.models.representations import Representations

TEACHERS = {
    **{name: {"name": name} for name in choices("teacher") if name not in ("none", "custom", "file")},
    **{f"gin {readout}": {"name": "gin", "readout": readout, "norm": "layer"} for readout in ("mean", "max")},
    "gin edges": {"name": "gin", "edges": "categorical"},
    "gin virtual": {"name": "gin", "edges": "continuous", "virtual_node": True},
    "gcn virtual": {"name": "gcn", "nodes": "categorical", "virtual_node": True, "norm": "none"},
    "gat v1 edges": {"name": "gat", "edges": "continuous", "gat_version": "v1", "heads": 2, "jumping_knowledge": "max"},
    "gat edges": {"name": "gat", "edges": "categorical", "ffn": True, "jumping_knowledge": "sum"},
    "pna edges": {"name": "pna", "edges": "categorical", "encoding": "walk", "rwse": 4, "norm": "layer"},
    "gatedgcn edges": {"name": "gatedgcn", "edges": "continuous", "encoding": "laplacian", "lap_pe": 3},
    "sage all": {"name": "sage", "ffn": True, "virtual_node": True, "jumping_knowledge": "cat", "input_dropout": 0.2},
}
STUDENTS = {
    **{
        f"graphormer {readout}": {"name": "graphormer", "encoding": "graphormer", "readout": readout}
        for readout in ("token", "mean", "sum")
    },
    **{
        f"transformer {encoding}": {"name": "transformer", "encoding": encoding, "edges": "categorical"}
        for encoding in choices("encoding")
    },
    "graphormer edges": {"name": "graphormer", "encoding": "graphormer", "edges": "categorical"},
    "graphormer layers": {
        "name": "graphormer",
        "encoding": "graphormer",
        "edges": "categorical",
        "bias_per_layer": True,
    },
    "graphormer categories": {
        **{"name": "graphormer", "encoding": "all", "nodes": "categorical", "edges": "continuous"},
    },
    **{name: {"name": name, "encoding": "none"} for name in ("sgformer", "polynormer", "nagphormer")},
    **{
        f"gps {local}": {"name": "gps", "encoding": "laplacian" if local == "none" else "walk", "local": local}
        for local in ("gine", "gin", "gcn", "gat", "sage", "none")
    },
    "gps edges": {"name": "gps", "encoding": "walk", "edges": "categorical"},
    "gps no norm": {"name": "gps", "encoding": "none", "norm": "none", "readout": "sum"},
    "sgformer edges": {"name": "sgformer", "encoding": "walk", "edges": "continuous", "local": "gine", "norm": "layer"},
    "polynormer edges": {"name": "polynormer", "encoding": "all", "nodes": "categorical", "edges": "categorical"},
    "nagphormer all": {"name": "nagphormer", "encoding": "all", "edges": "categorical"},
    **{
        f"graphvit {local}": {"name": "graphvit", "encoding": "walk", "edges": "categorical", "local": local}
        for local in ("gine", "gcn")
    },
    "graphvit token": {"name": "graphvit", "encoding": "none", "readout": "token", "patch_hops": 0, "patch_walk": 0},
    "graphvit bisected": {
        **{"name": "graphvit", "encoding": "all", "patches": "bisection", "num_patches": 2, "norm": "layer"},
    },
    "graphvit covered": {
        **{"name": "graphvit", "encoding": "none", "patch_hops": 20, "nodes": "categorical", "gnn_layers": 1},
    },
    "graphvit means": {
        **{"name": "graphvit", "encoding": "walk", "edges": "categorical", "gnn_layers": 0, "readout": "sum"},
    },
    "transformer token": {"name": "transformer", "encoding": "walk", "nodes": "categorical", "readout": "token"},
}
MODELS = {**TEACHERS, **STUDENTS}
WIDTH, DEPTH = 16, 3
Reads = tuple[EncodingConfig, StudentConfig | None]
"""What `encode` needs to know of a model."""


def small_encoding(name: str) -> EncodingConfig:
    encoding = preset("encoding", name, bias_scale=0.5, max_spd=3, max_degree=3)
    return replace(encoding, rwse=min(encoding.rwse, 4), lap_pe=min(encoding.lap_pe, 3))


@pytest.fixture(params=MODELS)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, PackedGraphs, Reads]:
    """A model with random parameters, graphs that fit it, and what it reads beside them."""
    return build(request.param)


def build(name: str, kind: str = "multiclass") -> tuple[nn.Module, PackedGraphs, Reads]:
    keys = dict(MODELS[name])
    spec = make_spec(kind, keys.pop("nodes", "continuous"), keys.pop("edges", None))
    encoding = small_encoding(keys.pop("encoding", "none"))
    encoding = replace(encoding, bias_per_layer=keys.pop("bias_per_layer", False))
    role, build_model = ("student", build_student) if name in STUDENTS else ("teacher", build_teacher)
    config = preset(role, keys.pop("name"), hidden_channels=WIDTH, num_layers=DEPTH, dropout=0.1, **keys)
    torch.manual_seed(0)
    model = build_model(config, encoding, spec) if role == "student" else build_model(config, spec)
    return model, make_graphs(spec), (encoding, config if role == "student" else None)


def run(model: nn.Module, batch: GraphBatch) -> Representations:
    with torch.no_grad():
        return model(batch)


def of_graph(out: Representations, batch: GraphBatch, place: int) -> list[Tensor]:
    """Logits, graph state, node states and patch states of the graph at `place`."""
    rows = slice(batch.ptr[place], batch.ptr[place + 1])
    parts = [] if out.patches is None else [out.patches[batch.patches.graph.batch == place]]
    return [out.logits[place], out.graph[place], *(states[rows] for states in out.nodes), *parts]


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    """Equal up to rounding, in units of the largest value: products of other shapes sum in another order."""
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * max(1.0, float(other.abs().max())))


def test_representations_have_the_documented_shapes(case) -> None:
    model, graphs, reads = case
    batch = collate(graphs, encode(graphs, *reads), torch.arange(len(graphs)))
    out = run(model.eval(), batch)
    assert out.logits.shape == (len(graphs), 3)
    assert out.graph.shape == (len(graphs), model.graph_channels)
    assert [states.shape for states in out.nodes] == [(len(graphs.x), width) for width in model.state_channels]
    assert out.attention == {}


def test_batch_mates_and_padding_change_nothing(case) -> None:
    model, graphs, reads = case
    awaken(model)
    encodings = encode(graphs, *reads)
    ids = torch.arange(len(graphs)).flip(0)
    together = collate(graphs, encodings, ids)
    out = run(model, together)
    assert all(states.isfinite().all() for states in (out.logits, out.graph, *out.nodes))
    for place, graph in enumerate(ids):
        alone = collate(graphs, encodings, graph[None])
        assert_same(of_graph(out, together, place), of_graph(run(model, alone), alone, 0))


def test_a_batch_of_one_node_can_be_trained_on(case) -> None:
    """The last batch of an epoch may hold a single ion."""
    model, graphs, reads = case
    out = model.train()(collate(graphs, encode(graphs, *reads), torch.tensor([0])))
    assert all(states.size(0) == 1 for states in out.nodes)
    out.logits.logsumexp(1).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_batch_norm_is_pytorchs_but_for_a_single_row() -> None:
    ours, theirs = BatchNorm(3), nn.BatchNorm1d(3)
    for rows in (5, 2):
        x = torch.randn(rows, 3)
        assert torch.equal(ours(x), theirs(x))
    one = torch.randn(1, 3)
    assert torch.equal(ours(one), theirs.eval()(one))
    assert all(torch.equal(ours.state_dict()[name], value) for name, value in theirs.state_dict().items())


def same_paths(encodings: StructuralEncodings, orders: Sequence[Tensor], starts: Tensor) -> Tensor:
    """The stored predecessors of graphs whose node `orders[g][i] - starts[g]` is to be node i."""
    renamed = []
    pairs = encodings.predecessors.split(encodings.pair_ptr.diff().tolist())
    for before, order, start in zip(pairs, orders, starts, strict=True):
        old = order - start
        renamed.append(old.argsort()[before.view(len(old), len(old))[old][:, old].long()].flatten())
    return torch.cat(renamed).to(encodings.predecessors.dtype)


def test_node_order_changes_nothing(case) -> None:
    model, graphs, reads = case
    awaken(model)
    encodings = encode(graphs, *reads)
    straight = collate(graphs, encodings, torch.arange(len(graphs)))
    random = torch.Generator().manual_seed(0)
    sizes = graphs.num_nodes.tolist()
    # Node `order[i]` of the old graphs is node i of the new ones.
    starts = graphs.node_ptr[:-1]
    order = torch.cat([start + torch.randperm(n, generator=random) for start, n in zip(starts, sizes, strict=True)])
    place = order.argsort()
    offsets = torch.repeat_interleave(starts, graphs.num_edges)
    renamed = replace(graphs, x=graphs.x[order], edge_index=place[graphs.global_edge_index] - offsets)
    anew = encode(renamed, *reads)
    if encodings.lap_pe is not None:  # eigenvectors of repeated eigenvalues are no function of the graph
        anew.lap_pe = encodings.lap_pe[order]
    if encodings.predecessors is not None:  # of several shortest paths the ids of nodes choose one
        anew.predecessors = same_paths(encodings, order.split(sizes), starts)
    if encodings.patches is not None:  # communities depend on the order of nodes where Louvain has to choose
        student = reads[1]
        cut = bisected(graphs, student.num_patches) if student.patches == "bisection" else communities(graphs, 0)
        anew.patches = patches_of(renamed, cut[order], student.patch_hops, student.patch_walk)
    shuffled = collate(renamed, anew, torch.arange(len(graphs)))
    before, after = run(model, straight), run(model, shuffled)
    assert not torch.equal(straight.x, shuffled.x)
    assert_same([before.logits, before.graph], [after.logits, after.graph])
    if before.patches is not None:
        assert_same([before.patches], [after.patches])
    assert_same([states[order] for states in before.nodes], list(after.nodes))


def test_structure_matters_where_a_model_is_told_of_it(case, request: pytest.FixtureRequest) -> None:
    model, graphs, reads = case
    awaken(model)
    bare = PackedGraphs(graphs.x, graphs.edge_index[:, :0], None, graphs.y, graphs.node_ptr, graphs.edge_ptr * 0)
    if graphs.edge_attr is not None:
        bare.edge_attr = graphs.edge_attr[:0]
    ids = torch.arange(len(graphs))
    with_edges, without = (run(model, collate(some, encode(some, *reads), ids)).logits for some in (graphs, bare))
    blind = request.node.callspec.id in ("transformer none", "mlp")
    assert torch.allclose(with_edges, without, atol=1e-5) == blind
    assert torch.allclose(with_edges[:2], without[:2], atol=1e-5)  # they had no edges before


def test_edge_features_are_read_where_the_model_says_so(case) -> None:
    model, graphs, reads = case
    awaken(model)
    if graphs.edge_attr is None:
        assert not model.reads_edges
        return
    encodings, ids = encode(graphs, *reads), torch.arange(len(graphs))
    other = replace(graphs, edge_attr=graphs.edge_attr.flip(0))
    same = torch.equal(*(run(model, collate(some, encodings, ids)).logits for some in (graphs, other)))
    assert same != model.reads_edges


def test_gradients_are_finite_and_reach_every_parameter(case) -> None:
    model, graphs, reads = case
    batch = collate(graphs, encode(graphs, *reads), torch.arange(len(graphs)))
    torch.manual_seed(0)
    out = model.train()(batch)
    (out.logits.logsumexp(1).sum() + sum(states.square().mean() for states in out.nodes)).backward()
    for name, parameter in model.named_parameters():
        if name == "bias.table" and not reads[0].spd and model.token is None:
            continue  # all pairs share one row, which is held at zero
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_equal_seeds_give_equal_weights() -> None:
    for name in ("gin edges", "gcn", "graphormer categories"):
        one, other = (build(name)[0].state_dict() for _ in range(2))
        assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    "name",
    [
        *("gin virtual", "gcn", "graphormer edges", "graphormer categories", "transformer walk"),
        *("gps edges", "sgformer edges", "polynormer edges", "nagphormer all", "graphvit gine"),
    ],
)
def test_bf16_is_finite(name: str) -> None:
    model, graphs, reads = build(name)
    batch = collate(graphs, encode(graphs, *reads), torch.arange(len(graphs)))
    exact = run(model.eval(), batch)
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    fast = fabric.setup_module(model)
    out = fast(batch)
    torch.testing.assert_close(out.logits, exact.logits, rtol=0.1, atol=0.1)
    fabric.backward(out.logits.logsumexp(1).sum())
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_a_bias_per_layer_is_that_layers_alone() -> None:
    layered, graphs, reads = build("graphormer layers")
    shared, _, _ = build("graphormer edges")
    batch = collate(graphs, encode(graphs, *reads), torch.arange(len(graphs)))
    tables = [layered.bias.table, layered.bias.edges.tables.weight]
    own = [shared.bias.table, shared.bias.edges.tables.weight]
    heads = own[0].size(1)
    rest = {name: value for name, value in layered.state_dict().items() if not name.startswith("bias.")}
    shared.load_state_dict(rest | {k: v for k, v in shared.state_dict().items() if k.startswith("bias.")})
    before = run(layered.eval(), batch).nodes
    for layer in range(DEPTH):
        part = slice(layer * heads, (layer + 1) * heads)
        with torch.no_grad():
            for table, mine in zip(tables, own, strict=True):
                mine.copy_(table[:, :heads])
                table[:, part] = table[:, :heads]  # in the end all layers have the first one's
        after = run(layered, batch).nodes
        assert all(torch.equal(one, other) for one, other in zip(before[:layer], after[:layer], strict=True))
        assert torch.equal(before[layer], after[layer]) == (layer == 0)
        before = after
    assert_same(list(run(shared.eval(), batch).nodes), list(before))
