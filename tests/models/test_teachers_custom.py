"""A user's own module as teacher: called by its arguments' names, its states and weights found, its faults told."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_tasks import make_graphs, make_node_task, make_spec, make_task
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GCNConv, GINEConv, MessagePassing, global_add_pool, global_mean_pool

from gnn_distill import checkpoint
from gnn_distill.data.batching import StructureBatch, collate
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.errors import UserError
from gnn_distill.models import build_teacher
from gnn_distill.models.pretrained import files_of, load_pretrained, pretrained
from gnn_distill.models.representations import Representations
from gnn_distill.schema.teacher import TeacherConfig


class Nodes(nn.Module):
    """The simplest there is, at node level."""

    def __init__(self, hidden: int = 5, out: int = 3) -> None:
        super().__init__()
        self.convs = nn.ModuleList([GCNConv(3, hidden), GCNConv(hidden, out)])
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        assert x.layout == torch.strided
        return self.convs[1](self.dropout(self.convs[0](x, edge_index).relu()), edge_index)


class Graphs(nn.Module):
    """Two convolutions, a pooled state, and a head."""

    def __init__(self, out: int = 3, inputs: int = 3) -> None:
        super().__init__()
        self.first, self.second = GCNConv(inputs, 5), GATConv(-1, 3, heads=2)
        self.pool, self.head = nn.Linear(6, 4), nn.Linear(4, out)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor, batch_size: int | None = None) -> Tensor:
        x = self.second(self.first(x, edge_index).relu(), edge_index).relu()
        return self.head(self.pool(global_mean_pool(x, batch, batch_size)).relu())


class ByData(Graphs):
    """Takes PyG's Data, as many do."""

    def forward(self, data: object) -> Tensor:
        return super().forward(data.x, data.edge_index, data.batch, data.batch_size)


class Edges(nn.Module):
    """Categories and edge features."""

    def __init__(self) -> None:
        super().__init__()
        self.atoms, self.bonds = nn.Embedding(4, 6), nn.Embedding(4, 6)
        self.conv, self.head = GINEConv(nn.Linear(6, 6)), nn.Linear(6, 1)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: Tensor, batch_size: int) -> Tensor:
        assert x.dtype == edge_attr.dtype == torch.long
        x = self.conv(self.atoms(x[:, 0]), edge_index, self.bonds(edge_attr[:, 0]))
        return self.head(global_add_pool(x, batch, batch_size))


class Attending(MessagePassing):
    """Message passing around a convolution: one state, not two."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = GCNConv(3, 6)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.propagate(edge_index, x=self.inner(x, edge_index))


class Headed(nn.Module):
    """States with a dimension for heads; all names begin with `module.`."""

    def __init__(self) -> None:
        super().__init__()
        self.module = nn.ModuleDict({"conv": Attending(), "heads": nn.Unflatten(1, (2, 3)), "head": nn.Linear(3, 3)})

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.module["head"](self.module["heads"](self.module["conv"](x, edge_index)).mean(dim=1))


class Telling(nn.Module):
    """Tells its representations itself."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def represent(self, batch: StructureBatch) -> Representations:
        x = self.linear(batch.x)
        return Representations(x * 2, (batch.x, x), global_mean_pool(x, batch.batch, batch.num_graphs))


class Without(nn.Module):
    """Nothing that passes messages."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.layer(x)


class Unpooled(Graphs):
    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.head(self.pool(self.second(self.first(x, edge_index), edge_index)))


class Asking(Graphs):
    def forward(self, x: Tensor, edge_indices: Tensor) -> Tensor:
        return x


def config(target: type | str, **keys: object) -> TeacherConfig:
    path = target if isinstance(target, str) else f"{__name__}.{target.__name__}"
    return TeacherConfig(name="custom", target=path, readout="mean", **keys)


def make(target: type, spec: TaskSpec, **keys: object) -> nn.Module:
    torch.manual_seed(0)
    return build_teacher(config(target, **keys), spec).eval()


def batch_of(task: GraphTask) -> StructureBatch:
    return collate(task.graphs, None, torch.arange(len(task.graphs)))


def test_a_node_level_module_is_read_by_its_convolutions() -> None:
    task = make_node_task()
    model = make(Nodes, task.spec, kwargs={"hidden": 7})
    wanted = torch.tensor([4, 0])
    batch = replace(batch_of(task), outputs=wanted)
    out = model(batch)
    first = model.module.convs[0](batch.x, batch.edge_index)
    second = model.module.convs[1](first.relu(), batch.edge_index)
    torch.testing.assert_close(out.nodes, (first[wanted], second[wanted]))
    torch.testing.assert_close(out.logits, second[wanted])
    torch.testing.assert_close(out.graph, second.mean(dim=0, keepdim=True))
    assert (model.state_channels, model.graph_channels, model.reads_edges) == ((7, 3), 3, False)


@pytest.mark.parametrize("target", [Graphs, ByData])
def test_a_graph_level_module_is_read_by_its_convolutions_or_by_paths(target: type) -> None:
    task = make_task("multiclass", edges="continuous")
    batch = batch_of(task)
    model = make(target, task.spec)
    inner = model.module
    x = inner.second(inner.first(batch.x, batch.edge_index).relu(), batch.edge_index)
    out = model(batch)
    torch.testing.assert_close(out.logits, inner.head(inner.pool(global_mean_pool(x.relu(), batch.batch)).relu()))
    torch.testing.assert_close(out.nodes[1], x)
    torch.testing.assert_close(out.graph, global_mean_pool(x, batch.batch))
    assert (model.state_channels, model.graph_channels, model.reads_edges) == ((5, 6), 6, False)
    named = make(target, task.spec, node_states=["first"], graph_state="pool")
    again = named(batch)
    torch.testing.assert_close(again.nodes, out.nodes[:1])
    torch.testing.assert_close(again.graph, inner.pool(global_mean_pool(x.relu(), batch.batch)))
    assert (named.state_channels, named.graph_channels) == ((5,), 4)


def test_categories_and_edge_features_are_handed_over() -> None:
    task = make_task("binary", nodes="categorical", edges="categorical")
    model = make(Edges, task.spec)
    assert model.reads_edges
    assert model(batch_of(task)).logits.shape == (len(task.graphs), 1)


def test_a_module_may_tell_its_representations_itself() -> None:
    task = make_node_task()
    model = make(Telling, task.spec)
    batch = replace(batch_of(task), outputs=torch.tensor([4, 0]))
    out = model(batch)
    torch.testing.assert_close(out.nodes[0], batch.x[[4, 0]])
    torch.testing.assert_close(out.logits, 2 * out.nodes[1])
    assert (model.state_channels, model.graph_channels) == ((3, 3), 3)


def test_states_are_flat_and_those_of_the_outermost_message_passing(tmp_path: Path) -> None:
    task = make_node_task()
    batch, model = batch_of(task), make(Headed, task.spec)
    named = make(Headed, task.spec, node_states=["module.heads"])
    torch.testing.assert_close(named(batch).nodes, model(batch).nodes)
    assert model.state_channels == named.state_channels == (6,)
    torch.save(model.module.state_dict(), tmp_path / "weights.pt")
    load_pretrained(named, config(Headed, checkpoint=str(tmp_path / "weights.pt")))


def test_sparse_features_are_handed_over_dense() -> None:
    task = make_node_task()
    batch, model = batch_of(task), make(Nodes, task.spec)
    torch.testing.assert_close(model(replace(batch, x=batch.x.to_sparse_csr())).logits, model(batch).logits)


def test_two_logits_of_a_binary_task_become_one() -> None:
    task = make_task("binary")
    model = make(Graphs, task.spec, kwargs={"out": 2})
    batch = batch_of(task)
    both = model.module(batch.x, batch.edge_index, batch.batch)
    torch.testing.assert_close(model(batch).logits[:, 0].sigmoid(), both.softmax(dim=1)[:, 1])


def test_outputs_in_original_units_are_standardised() -> None:
    task = make_task("regression")
    batch = batch_of(task)
    raw = make(Graphs, task.spec, kwargs={"out": 2})(batch).logits
    model = make(Graphs, task.spec, kwargs={"out": 2}, outputs="original")
    torch.testing.assert_close(task.spec.in_original_units(model(batch).logits), raw)


def test_without_a_checkpoint_it_is_trained_like_any_teacher() -> None:
    task = make_task("multiclass")
    batch, model = batch_of(task), build_teacher(config(Graphs), task.spec)
    assert all(part.training for part in model.modules())
    nn.functional.cross_entropy(model(batch).logits, batch.y[:, 0].long()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    assert not model.module.first._forward_hooks  # nothing stays behind on the user's module


def wrappers(state: dict[str, Tensor], folder: Path) -> dict[str, Path]:
    """The same weights as others save them."""
    forms = {
        "plain.pt": state,
        "wrapped.pth": {"state_dict": state, "epoch": 3},
        "twice.pt": {"model": {"state_dict": {f"module.{name}": value for name, value in state.items()}}},
        "parallel.pt": {f"module._orig_mod.{name}": value for name, value in state.items()},
    }
    for name, content in forms.items():
        torch.save(content, folder / name)
    save_file(state, folder / "plain.safetensors")
    ours = {"model": {f"module.{name}": value for name, value in state.items()}, "best_epoch": 3}
    checkpoint.save(folder / "teacher.safetensors", ours)
    return {name: folder / name for name in (*forms, "plain.safetensors", "teacher.safetensors")}


def test_weights_are_read_from_every_usual_form(tmp_path: Path) -> None:
    task = make_task("multiclass")
    trained = make(Graphs, task.spec)
    for parameter in trained.parameters():
        nn.init.normal_(parameter)
    for path in wrappers(trained.module.state_dict(), tmp_path).values():
        given = config(Graphs, checkpoint=str(path))
        model = make(Graphs, task.spec)
        load_pretrained(model, given)
        assert pretrained(given)
        assert torch.equal(model(batch_of(task)).logits, trained(batch_of(task)).logits), path.name
    assert not pretrained(config(Graphs))


def test_any_teacher_can_come_from_a_checkpoint(tmp_path: Path) -> None:
    task = make_task("multiclass")
    torch.manual_seed(1)
    keys = {"hidden_channels": 8, "num_layers": 2}
    trained = build_teacher(TeacherConfig(name="gin", **keys), task.spec).eval()
    checkpoint.save(tmp_path / "teacher.safetensors", {"model": trained.state_dict(), "best_epoch": 3})
    given = TeacherConfig(name="gin", checkpoint=str(tmp_path / "teacher.safetensors"), **keys)
    model = build_teacher(given, task.spec).eval()
    load_pretrained(model, given)
    assert torch.equal(model(batch_of(task)).logits, trained(batch_of(task)).logits)


def test_files_that_determine_a_teacher_are_known_by_their_content(tmp_path: Path) -> None:
    one, other = tmp_path / "one.pt", tmp_path / "other.pt"
    torch.save({"a": torch.zeros(1)}, one)
    torch.save({"a": torch.ones(1)}, other)
    files = [files_of(config(Graphs, checkpoint=str(path))) for path in (one, other)]
    assert files[0].keys() == {"checkpoint", "target"}
    assert files[0]["checkpoint"] != files[1]["checkpoint"]
    assert files[0]["target"] == files[1]["target"]
    assert files_of(TeacherConfig(name="gin")) == {}


NODES, GRAPHS = make_node_task().spec, make_spec("multiclass")
FAULTS = {
    "no path": (config("MyGNN"), GRAPHS, "teacher.target=MyGNN: must be the path of a class in a module"),
    "no module": (config("no_such_package.MyGNN"), GRAPHS, "there is no module no_such_package"),
    "no class": (config(f"{__name__}.Graph"), GRAPHS, "has no Graph. Did you mean"),
    "no nn.Module": (config("collections.OrderedDict"), GRAPHS, "gives a OrderedDict, not a torch.nn.Module"),
    "unknown argument": (
        config(Graphs, kwargs={"width": 3}),
        GRAPHS,
        "cannot be made with teacher.kwargs=",
    ),
    "wrong inputs": (config(Graphs, kwargs={"inputs": 9}), GRAPHS, r"fails on x float32 \[7, 3\], no edge_attr"),
    "wrong outputs": (config(Graphs, kwargs={"out": 4}), GRAPHS, r"gives outputs \[2, 4\]; small needs \[2, 3\]"),
    "not pooled": (config(Unpooled), GRAPHS, r"gives outputs \[7, 3\]; small needs \[2, 3\].*nodes pooled by batch"),
    "pooled": (config(Graphs), NODES, r"gives outputs \[2, 3\]; small nodes needs \[7, 3\]"),
    "unknown input": (config(Asking), GRAPHS, "its forward needs 'edge_indices'.*Did you mean 'edge_index'?"),
    "no edge features": (config(Edges), GRAPHS, "its forward needs 'edge_attr', which there is not"),
    "no messages": (
        config(Without),
        NODES,
        r"has no MessagePassing submodule.*\[...\]. It has layer",
    ),
    "no such path": (
        config(Graphs, node_states=["convs.0"]),
        GRAPHS,
        "teacher.node_states: .* no submodule convs.0",
    ),
    "no such state": (config(Graphs, graph_state="pooled"), GRAPHS, "has no submodule pooled. Did you mean 'pool'?"),
    "no node states": (config(Graphs, node_states=["pool"]), GRAPHS, r"teacher.node_states=\['pool'\]: gives \[2, 4\]"),
    "no graph state": (config(Graphs, graph_state="first"), GRAPHS, r"teacher.graph_state=first: gives \[7, 5\]"),
    "not called": (config(Nodes, node_states=["convs"]), NODES, "no submodule of teacher.node_states=.* is called"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_in_one_line(fault: str) -> None:
    teacher, spec, message = FAULTS[fault]
    with pytest.raises(UserError, match=message) as told:
        build_teacher(teacher, spec)
    assert "\n" not in str(told.value)


def test_a_fault_of_the_file_is_told(tmp_path: Path) -> None:
    spec = make_spec("multiclass")
    model = make(Graphs, spec)
    state = model.module.state_dict()
    torch.save(model, tmp_path / "pickled.pt")
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    torch.save({**state, "more.bias": torch.zeros(2)}, tmp_path / "more.pt")
    torch.save({**state, "head.weight": torch.zeros(9, 4)}, tmp_path / "shape.pt")
    (tmp_path / "cut.safetensors").write_bytes(b"cut")
    (tmp_path / "weights.bin").write_bytes(b"")
    faults = {
        "missing.pt": "there is no such file",
        "weights.bin": "must be a .pt, .pth or .safetensors file",
        "pickled.pt": "cannot be read as weights alone. Save them by torch.save",
        "cut.safetensors": "cannot be read as weights alone",
        "empty.pt": "holds no state dict",
        "more.pt": "do not fit the teacher.*more.bias",
        "shape.pt": "do not fit the teacher.*head.weight",
    }
    for name, message in faults.items():
        given = config(Graphs, checkpoint=str(tmp_path / name))
        with pytest.raises(UserError, match=message) as told:
            load_pretrained(model, given)
        assert str(told.value).startswith(f"teacher.checkpoint={tmp_path / name}: ")
    with pytest.raises(UserError, match="there is no such file"):
        files_of(config(Graphs, checkpoint=str(tmp_path / "missing.pt")))


def test_a_module_in_the_working_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gnn_of_mine.py").write_text(
        "from torch_geometric.nn import GCN\n\ndef make():\n    return GCN(3, 8, 2, 3)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    given = config("gnn_of_mine.make")
    model = build_teacher(given, NODES)
    assert model.state_channels == (8, 3)
    before = files_of(given)
    (tmp_path / "gnn_of_mine.py").open("a").write("\n# changed\n")
    assert files_of(given) != before


def test_graphs_without_edges_change_nothing() -> None:
    spec = make_spec("multiclass")
    graphs = make_graphs(spec)
    model = make(Graphs, spec)
    together = model(collate(graphs, None, torch.arange(3)))
    alone = model(collate(graphs, None, torch.tensor([0])))
    torch.testing.assert_close(alone.logits[0], together.logits[0])
