"""The public names for your own modules: they stay, wherever the package keeps its parts.

Data sets: `assemble` or `assemble_nodes` make a task of packed graphs; `choose_split`, `labelled_rows` and `Splits`
divide them, `Features` describe them, an `InputPipeline` contains the steps applied to raw graphs, and `load_task`
reads any set.
Models: a module maps a `GraphBatch` to `Representations`; `GNN`, encoders and heads are those of the built-in models.
docs/extending.md shows each in use.
"""

from gnn_distill.config.capabilities import Capabilities
from gnn_distill.data.assembly.graphs import assemble
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.node_splits import labelled_rows
from gnn_distill.data.assembly.nodes import assemble_nodes
from gnn_distill.data.assembly.splits import choose_split
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.task import Features, GraphTask, Splits, TaskSpec
from gnn_distill.errors import UserError
from gnn_distill.models.gnn_backbone import GNN
from gnn_distill.models.layers.encoders import FeatureEncoder, StructuralEncoder
from gnn_distill.models.layers.heads import Output, readout
from gnn_distill.models.representations import Representations

StructureBatch = GraphBatch
"""The former name of `GraphBatch`."""

__all__ = [
    "GNN",
    "Capabilities",
    "FeatureEncoder",
    "Features",
    "GraphBatch",
    "GraphTask",
    "InputPipeline",
    "Output",
    "PackedGraphs",
    "Representations",
    "Splits",
    "StructuralEncoder",
    "StructureBatch",
    "TaskSpec",
    "UserError",
    "assemble",
    "assemble_nodes",
    "choose_split",
    "labelled_rows",
    "load_task",
    "readout",
]
