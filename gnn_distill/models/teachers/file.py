"""A teacher without a model: its outputs for the graphs of a data set, from a file."""

import torch
from torch import nn

from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.batching import GraphBatch
from gnn_distill.data.task import TaskSpec
from gnn_distill.models.known_outputs import KnownOutputs, read_known_outputs
from gnn_distill.models.representations import Representations


def build(config: TeacherConfig, spec: TaskSpec) -> "FileTeacher":
    """The teacher of `teacher.outputs_file`. Raises UserError as `read_known_outputs` does."""
    return FileTeacher(read_known_outputs(config, spec))


class FileTeacher(nn.Module):
    """Looks its outputs up by the id of a graph; it has no node states, and may have no graph states."""

    reads_edges = True  # nothing is known of what it has read

    def __init__(self, outputs: KnownOutputs) -> None:
        super().__init__()
        graph = torch.empty(len(outputs.logits), 0) if outputs.graph is None else outputs.graph
        self.register_buffer("logits", outputs.logits)
        self.register_buffer("graph", graph)
        self.state_channels, self.graph_channels = (), graph.size(1)

    def forward(self, batch: GraphBatch) -> Representations:
        return Representations(self.logits[batch.graph_ids], (), self.graph[batch.graph_ids])
