"""States of a model by layer: h⁰, the output of its feature encoder, then h¹ to hᴸ; and its graph state."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.data.batching import collate
from gnn_distill.data.budget import evaluation_batches
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.subgraphs.patches import compute_inputs
from gnn_distill.data.subgraphs.patching import Patching
from gnn_distill.models.layers.encoders import FeatureEncoder

if TYPE_CHECKING:
    from gnn_distill.data.encodings.structural import StructuralEncodings

BATCH = 64
FIRST_TWIN = 1000
"""Seed of the first untrained twin; runs seldom have seeds as large, so no twin is a run's own initialisation."""


@dataclass(frozen=True)
class Subject:
    """A model of a finished run, and all that is needed to feed it, or to make an untrained twin of it."""

    model: nn.Module
    """In evaluation mode, on the CPU."""
    encoding: EncodingConfig
    """The structural encodings that it reads."""
    build: Callable[[], nn.Module]
    """The same architecture with fresh weights."""
    max_pairs: int = 4_000_000
    """Most padded pairs of nodes a batch."""
    patching: Patching | None = None
    """How graphs are cut into the patches that it reads; None: it reads none."""

    def encodings_of(self, graphs: PackedGraphs) -> "StructuralEncodings | None":
        """What the model reads of these graphs beside features; None for nothing."""
        nothing = self.encoding == EncodingConfig() and self.patching is None
        return None if nothing else compute_inputs(graphs, self.encoding, self.patching)

    def twin(self, number: int) -> "Subject":
        """The same model as it is before training, from a seed of its own; the caller's random state is kept."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(FIRST_TWIN + number)
            model = self.build().eval().requires_grad_(False)
        return replace(self, model=model)


@dataclass(frozen=True)
class States:
    """States of all nodes of some graphs, in their order."""

    layers: dict[int, Float[np.ndarray, "nodes channels"]]
    """By layer: 0 the features as encoded (missing where the model shows no encoder), then 1 to L; empty for a model
    without states of nodes."""
    graph: Float[np.ndarray, "graphs channels"] | None
    """The graph state that the head reads; None at node level."""

    @property
    def last(self) -> Float[np.ndarray, "nodes channels"]:
        """Those that the head reads."""
        return self.layers[max(self.layers)]

    @property
    def joined(self) -> Float[np.ndarray, "nodes channels"]:
        """All layers side by side."""
        return np.concatenate(list(self.layers.values()), axis=1)


def input_encoder(model: nn.Module) -> FeatureEncoder | None:
    """The encoder of node features, whose output is the same point in all models: the first of the model's.

    None for a module of the user's that reads features in its own way.
    """
    return next((module for module in model.modules() if isinstance(module, FeatureEncoder)), None)


def feature_module(model: nn.Module) -> nn.Module | None:
    """The module whose output is h⁰, the node features as encoded: continuous and the same point in every model.

    It is the linear map of continuous features, else the sum of embeddings; None in a module of the user's without
    one.
    """
    encoder = input_encoder(model)
    if encoder is None:
        return None
    return encoder if encoder.linear is None else encoder.linear  # a GNN drops features between scaling and the map


@contextmanager
def encoded_features(model: nn.Module) -> Iterator[list[Tensor]]:
    """Within it, every pass of the model appends h⁰ to the list."""
    found: list[Tensor] = []
    module = feature_module(model)
    handle = module and module.register_forward_hook(lambda _, inputs, output: found.append(output))
    try:
        yield found
    finally:
        if handle is not None:
            handle.remove()


@torch.no_grad()
def states_of(subject: Subject, graphs: PackedGraphs) -> States:
    """States of all nodes of `graphs`, forward passes only: neither weights nor random states change."""
    encodings, everything = subject.encodings_of(graphs), torch.arange(len(graphs))
    node_level = graphs.level == "node" and len(graphs) == 1
    batches = everything.split(1) if node_level else evaluation_batches(
        graphs.num_nodes, everything, BATCH, subject.max_pairs
    )  # fmt: skip
    layers: dict[int, np.ndarray] = {}
    graph_states: np.ndarray | None = None
    for ids in batches:
        batch = collate(graphs, encodings, ids)
        with encoded_features(subject.model) as first:
            out = subject.model(batch)
        found = {0: first[0]} if first and out.nodes else {}
        found |= dict(enumerate(out.nodes, start=1))
        for layer, values in found.items():
            if layer not in layers:
                layers[layer] = np.empty((graphs.x.size(0), values.size(1)), dtype=np.float32)
            layers[layer][batch.node_rows.numpy()] = values.numpy()
        if graphs.level == "graph" and out.graph is not None:
            if graph_states is None:
                graph_states = np.empty((len(graphs), out.graph.size(1)), dtype=np.float32)
            graph_states[ids.numpy()] = out.graph.numpy()
    return States(layers, graph_states)
