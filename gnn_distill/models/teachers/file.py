"""A teacher without a model: its outputs for the graphs of a data set, from a file."""

import torch
from torch import nn

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.known_outputs import KnownOutputs, look_up, read_known_outputs
from gnn_distill.models.representations import Representations


def build(config: TeacherConfig, spec: TaskSpec) -> "FileTeacher":
    """The teacher of `teacher.outputs_file`. Raises UserError as `read_known_outputs` does."""
    return FileTeacher(read_known_outputs(config, spec))


class FileTeacher(nn.Module):
    """Looks its outputs up by the id of a graph, NaN for a graph of which it knows nothing.

    It has no node states, and may have no graph states: these have no channels then.
    """

    reads_edges = True  # nothing is known of what it has read

    def __init__(self, outputs: KnownOutputs) -> None:
        super().__init__()
        graph = torch.empty(len(outputs.logits), 0) if outputs.graph is None else outputs.graph
        self.register_buffer("logits", outputs.logits)
        self.register_buffer("graph", graph)
        self.register_buffer("ids", outputs.ids)
        self.state_channels, self.graph_channels = (), graph.size(1)

    def forward(self, batch: GraphBatch) -> Representations:
        logits, graph = (look_up(values, self.ids, batch.graph_ids) for values in (self.logits, self.graph))
        return Representations(logits, (), graph)
