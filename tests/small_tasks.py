"""Small tasks for tests of models, losses and stages: odd graphs and random ones, any kind of features and labels."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import networkx as nx
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch_geometric.data import Data

from gnn_distill.cli.main import CONF_DIR
from gnn_distill.config.capabilities import capabilities_of
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.assembly.node_splits import labelled_rows
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.subgraphs.patches import compute_inputs
from gnn_distill.data.subgraphs.patching import patching_of
from gnn_distill.data.task import METRICS, Features, GraphTask, Splits, TaskSpec
from gnn_distill.interruption import Interruption

ODD = (
    nx.empty_graph(1),
    nx.empty_graph(4),
    nx.disjoint_union(nx.cycle_graph(5), nx.path_graph(4)),
    nx.path_graph(4, create_using=nx.DiGraph),
    nx.disjoint_union(nx.star_graph(4), nx.empty_graph(1)),
)
"""One node; no edges; two components; directed; a star beside a lonely node."""
NETWORKS = (*ODD, *(nx.gnp_random_graph(5 + i, 0.35, seed=i) for i in range(5)))

FEATURES = {"continuous": Features("continuous", (3,)), "categorical": Features("categorical", (4, 2))}
SCHEMAS = {"teacher": TeacherConfig, "student": StudentConfig, "encoding": EncodingConfig}


def preset(group: str, name: str, **changes: Any) -> Any:
    """The section of the config that conf/<group>/<name>.yaml gives, and `changes`."""
    values = OmegaConf.load(CONF_DIR / group / f"{name}.yaml")
    values.pop("defaults", None)
    return replace(OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(SCHEMAS[group]), values)), **changes)


def choices(group: str) -> list[str]:
    """Names of the files in conf/<group>."""
    return sorted(path.stem for path in (CONF_DIR / group).glob("*.yaml"))


def students(**required: bool) -> list[str]:
    """The package's students with these capabilities."""
    names = (name for name in choices("student") if name != "none")
    return [name for name in names if required.items() <= asdict(capabilities_of(name)).items()]


def draw(features: Features, rows: int, random: torch.Generator) -> Tensor:
    if features.kind == "continuous":
        return torch.randn(rows, *features.sizes, generator=random)
    return torch.stack([torch.randint(size, (rows,), generator=random) for size in features.sizes], dim=1)


def make_spec(kind: str = "binary", nodes: str = "continuous", edges: str | None = None, **changes: Any) -> TaskSpec:
    outputs = {"binary": 1, "multiclass": 3, "multilabel": 2, "regression": 2}[kind]
    spec = TaskSpec(
        name="small",
        kind=kind,
        level="graph",
        num_outputs=outputs,
        node_features=FEATURES[nodes],
        edge_features=FEATURES[edges] if edges else None,
        metric=METRICS[kind][0],
        higher_is_better=kind != "regression",
        target_names=tuple("abc"[:outputs]),
        target_mean=(3.0, -5.0) if kind == "regression" else (0.0,) * outputs,
        target_std=(2.0, 0.5) if kind == "regression" else (1.0,) * outputs,
    )
    return replace(spec, **changes)


def make_graphs(spec: TaskSpec, networks: tuple[nx.Graph, ...] = NETWORKS, seed: int = 0) -> PackedGraphs:
    """Random features and labels; the two directions of an edge have features of their own."""
    random = torch.Generator().manual_seed(seed)
    data_list = []
    for network in networks:
        edges = torch.tensor(list(network.to_directed().edges), dtype=torch.long).reshape(-1, 2).T
        y = torch.randn(spec.num_targets, generator=random)
        data = Data(x=draw(spec.node_features, network.number_of_nodes(), random), edge_index=edges)
        data.y = {"regression": y, "multiclass": torch.randint(3, (1,), generator=random)}.get(spec.kind, (y > 0) * 1.0)
        if spec.edge_features is not None:
            data.edge_attr = draw(spec.edge_features, edges.size(1), random)
        data_list.append(data)
    return PackedGraphs.from_data_list(data_list, num_targets=spec.num_targets)


def make_task(kind: str = "binary", count: int = 24, nodes: str = "continuous", edges: str | None = None) -> GraphTask:
    """`count` graphs in shuffled order, half of them for training, a quarter each for validation and test."""
    spec = make_spec(kind, nodes, edges)
    networks = [NETWORKS[i % len(NETWORKS)] for i in range(count)]
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1))
    parts = order.split([count // 2, count // 4, count - count // 2 - count // 4])
    splits = Splits(*(part.sort().values for part in parts))
    return GraphTask(spec, make_graphs(spec, tuple(networks)), splits)


def make_node_task(
    kind: str = "multiclass", nodes: str = "continuous", edges: str | None = None, setting: str = "transductive"
) -> GraphTask:
    """One connected graph of 40 nodes; 12 for training, 8 for validation, 12 for test, 8 in no part.

    Inductive: a second graph holds the nodes that are neither for validation nor for test, and the edges among them,
    and a third all but those for test, as all node-level sources do it.
    """
    spec = make_spec(kind, nodes, edges, level="node", name="small nodes")
    random = torch.Generator().manual_seed(3)
    network = nx.connected_watts_strogatz_graph(40, 4, 0.3, seed=3)
    edge_index = torch.tensor(list(network.to_directed().edges), dtype=torch.long).T
    x = draw(spec.node_features, 40, random)
    y = {
        "multiclass": torch.arange(40)[torch.randperm(40, generator=random), None] % 3,
        "regression": torch.randn(40, spec.num_targets, generator=random),
    }.get(kind, torch.rand(40, spec.num_targets, generator=random) > 0.5)
    edge_attr = draw(spec.edge_features, edge_index.size(1), random) if edges else None
    whole = Data(x=x, edge_index=edge_index, edge_attr=edge_attr, y=y.float())
    train, val, test, _ = (part.sort().values for part in torch.randperm(40, generator=random).split([12, 8, 12, 8]))
    graphs = [whole]
    if setting == "inductive":
        seen = torch.ones(40, dtype=torch.bool)
        seen[torch.cat([val, test])] = False
        known = seen.index_fill(0, val, True)
        graphs += [whole.subgraph(seen), whole.subgraph(known)]
        train = 40 + torch.searchsorted(seen.nonzero().squeeze(1), train)
        val = 60 + torch.searchsorted(known.nonzero().squeeze(1), val)
    packed = PackedGraphs.from_data_list(graphs, spec.num_targets, level="node")
    return GraphTask(spec, packed, Splits(train, val, test), setting=setting)


def make_separate_task(
    kind: str = "multiclass", count: int = 24, nodes: str = "continuous", edges: str | None = None, sparse: bool = True
) -> GraphTask:
    """Labels of the nodes of `count` graphs, each in one part, as in `make_task`; sparse: a third of them has none.

    The first two nodes of a graph keep theirs.
    """
    spec, random = make_spec(kind, nodes, edges, level="node", name="small separate"), torch.Generator().manual_seed(4)
    whole = make_task(kind, count, nodes, edges)
    total = len(whole.graphs.x)
    y = {
        "multiclass": torch.arange(total)[torch.randperm(total, generator=random), None] % 3,
        "regression": 3 + torch.randn(total, spec.num_targets, generator=random),
    }.get(kind, torch.rand(total, spec.num_targets, generator=random) > 0.5)
    labelled = torch.rand(total, generator=random) > (1 / 3 if sparse else -1)
    for place in (0, 1):
        labelled[whole.graphs.node_ptr[:-1] + (whole.graphs.num_nodes > place) * place] = True
    y = y.float().masked_fill(~labelled[:, None], torch.nan)
    graphs = replace(whole.graphs, y=y, level="node")
    return GraphTask(spec, graphs, labelled_rows(graphs, whole.splits), setting="separate")


def encode(graphs: PackedGraphs, encoding: EncodingConfig, student: StudentConfig | None = None) -> StructuralEncodings:
    """What a model reads beside the graphs; of a student whose tokens are patches these, too."""
    return compute_inputs(graphs, encoding, student and patching_of(student, make_spec()))


def awaken(model: nn.Module, scale: float = 0.1) -> nn.Module:
    """Random values in every parameter and statistic, so that nothing hides behind an initial zero."""
    random = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for value in (*model.parameters(), *model.buffers()):
            if value.is_floating_point():
                value.add_(scale * torch.randn(value.shape, generator=random).abs())
    return model.eval()


def make_runtime(folder: Path, store: Path | None = None, resume: bool = False, precision: str = "32-true") -> Any:
    """What all stages share, in `folder`; on one thread, tracked nowhere."""
    from gnn_distill.config.schema.run import TrainerConfig
    from gnn_distill.pipeline.runtime import Runtime, make_fabric
    from gnn_distill.storage.run_directory import RunDirectory
    from gnn_distill.storage.store import Store
    from gnn_distill.training.console import Console
    from gnn_distill.training.tracking import Tracker

    fabric = make_fabric(TrainerConfig(accelerator="cpu", threads=1, precision=precision))
    store, directory = Store(store or folder / "store"), RunDirectory(folder / "run", resume)
    return Runtime(fabric, store, Console(), directory, Tracker(), Interruption())
