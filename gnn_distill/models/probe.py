"""Checks of foreign modules on a small batch."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import GraphBatch, collate
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.subgraphs.patches import compute_inputs
from gnn_distill.data.subgraphs.patching import Patching
from gnn_distill.data.task import Features, TaskSpec
from gnn_distill.errors import UserError

SCALES = (1.0, 10.0, -10.0)
"""Factors of the weights: logits do not stay between 0 and 1 under all of these."""


def small_batch(encoding: EncodingConfig, spec: TaskSpec, patching: Patching | None = None) -> GraphBatch:
    """Two graphs of 4 and 3 nodes with random features, to determine the shapes of a module's outputs."""
    random = torch.Generator().manual_seed(0)

    def draw(features: Features, rows: int) -> Tensor:
        if features.kind == "continuous":
            return torch.randn(rows, *features.sizes, generator=random)
        return torch.stack([torch.randint(size, (rows,), generator=random) for size in features.sizes], dim=1)

    graphs = []
    for nodes in (4, 3):
        ring = torch.arange(nodes)
        edges = torch.stack([torch.cat([ring, ring.roll(1)]), torch.cat([ring.roll(1), ring])])
        edge_attr = None if spec.edge_features is None else draw(spec.edge_features, edges.size(1))
        graphs.append(Data(x=draw(spec.node_features, nodes), edge_index=edges, edge_attr=edge_attr))
    packed = PackedGraphs.from_data_list(graphs, spec.num_targets, level=spec.level)
    return collate(packed, compute_inputs(packed, encoding, patching), torch.arange(len(graphs)))


@torch.no_grad()
def check_outputs_repeat(key: str, name: str, model: nn.Module, batch: GraphBatch) -> None:
    """Raise UserError if `key=name` returns other logits in a second pass in evaluation mode, as by dropout."""
    training = model.training
    model.eval()
    one, other = (model(batch).logits for _ in range(2))
    model.train(training)
    if not torch.allclose(one, other, rtol=1e-4, atol=1e-6):
        raise UserError(
            f"{key}={name}: returns different outputs in every pass, even in evaluation mode. Apply dropout only in "
            "training: torch.nn.Dropout, or F.dropout(x, p, self.training)."
        )


@torch.no_grad()
def gives_probabilities(module: nn.Module, outputs: Callable[[], Tensor]) -> bool:
    """Whether `outputs()` of `module` are between 0 and 1 whatever its weights, as after a sigmoid or a softmax.

    The weights are restored afterwards. False without weights, or if no output is finite.
    """
    weights = [parameter for parameter in module.parameters() if parameter.is_floating_point()]
    kept = [parameter.detach().clone() for parameter in weights]
    seen = []
    try:
        for scale in SCALES if weights else ():
            for parameter, value in zip(weights, kept, strict=True):
                parameter.copy_(value * scale)
            seen.append(outputs().flatten())
    finally:
        for parameter, value in zip(weights, kept, strict=True):
            parameter.copy_(value)
    values = torch.cat(seen or [torch.empty(0)])
    values = values[values.isfinite()]
    return len(values) > 0 and bool(((values >= -1e-6) & (values <= 1 + 1e-6)).all())


def describe_batch(batch: GraphBatch) -> str:
    """A description of the features of a batch: `x float32 [7, 3], no edge_attr`."""
    parts = [
        f"{name} {str(value.dtype).removeprefix('torch.')} {list(value.shape)}" if value is not None else f"no {name}"
        for name, value in (("x", batch.x), ("edge_attr", batch.edge_attr))
    ]
    return ", ".join(parts)
