"""Training graphs without labels, from a file of their own (`dataset.unlabelled`)."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor

from gnn_distill.config.schema.data import SAVED_GRAPHS
from gnn_distill.data.assembly.graph_overlap import EQUAL, held_out_twins
from gnn_distill.data.assembly.input_pipeline import InputPipeline, typed
from gnn_distill.data.assembly.inputs import Inputs, check, describe, read
from gnn_distill.data.assembly.seen import Seen
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.graph_files import read_saved_graphs
from gnn_distill.data.reading.unlabelled_files import KEY, read_smiles
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError, refuse
from gnn_distill.formatting import counted

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import DatasetConfig

PARTS = {"val": "validation", "test": "test"}
MOST_LISTED = 10


class Given(NamedTuple):
    """What a file holds."""

    graphs: list[object]
    """PyG graphs, SMILES, or why there is none."""
    names: list[str]
    """How messages name each of them."""
    lines: list[int] | None
    """Of SMILES, their lines."""
    notices: list[str]


def with_further_graphs(task: GraphTask, dataset: "DatasetConfig") -> GraphTask:
    """`task` with the graphs of `dataset.unlabelled` among its training graphs without a label, and notices of them.

    They are prepared as the raw graphs of the set; labels in the file are not read. Graphs that equal one of
    validation or test are left out, molecules whatever their stereo. SMILES that cannot be read are left out, too,
    unless dataset.on_invalid is error.

    Raises UserError if the set is one large graph, if the file is of no known form, or if its graphs do not fit.
    """
    path, spec = Path(dataset.unlabelled).expanduser(), task.spec
    if not task.split_by_graph:
        raise refuse(
            KEY, path, f"{spec.name} is one graph, whose nodes without a label are seen in any case. Set {KEY}=null."
        )
    given, pipeline = _read(path, task, dataset), task.pipeline or InputPipeline.implied_by(spec)
    inputs = read(given.graphs, spec, pipeline, spec.edge_features is not None)
    check(inputs, spec, pipeline)
    notices = [*given.notices, *_notices_of_refused(inputs, given, path, getattr(dataset, "on_invalid", "skip"))]
    inputs.keep_rest()
    graphs = typed(pipeline.apply(inputs.graphs), spec)
    twins = held_out_twins(_as_compared(task.graphs, pipeline), task.splits, _as_compared(graphs, pipeline))
    new = ~torch.stack(list(twins.values())).any(dim=0)
    notices += _notices_of_twins(twins, pipeline)
    if not new.any():
        raise refuse(KEY, path, f"no graph is left. {' '.join(notices)}")
    graphs, positions = graphs.select(new.nonzero().squeeze(1)), inputs.positions[new]
    notices += _notices_of_unseen(Seen.in_training(task), graphs, pipeline)
    rows = torch.arange(len(graphs.y)) + len(task.graphs.y)
    hidden = task.splits.unlabelled
    return replace(
        task,
        graphs=task.graphs.followed_by(graphs),
        splits=replace(task.splits, unlabelled=rows if hidden is None else torch.cat([hidden, rows])),
        notices=[*task.notices, *notices],
        further=tuple(given.names[position] for position in positions.tolist()),
    )


def _read(path: Path, task: GraphTask, dataset: "DatasetConfig") -> Given:
    if path.suffix.lower() == SAVED_GRAPHS:
        try:
            graphs = read_saved_graphs(path)
        except UserError as error:  # its message begins with the path
            raise UserError(f"{KEY}={error}") from error
        return Given(graphs, [f"graph {number} of {KEY}" for number in range(len(graphs))], None, [])
    if not task.spec.molecules:
        raise refuse(
            KEY, path, f"{task.spec.name} is not read from SMILES. Give a list of PyG graphs ({SAVED_GRAPHS})."
        )
    column = task.columns.smiles if task.columns else getattr(dataset, "smiles_column", "smiles")
    smiles, lines, notices = read_smiles(path, column)
    return Given(smiles, [f"line {line} of {KEY}" for line in lines], lines, notices)


def _notices_of_refused(inputs: Inputs, given: Given, path: Path, on_invalid: str) -> list[str]:
    """Raises UserError for graphs that do not fit; SMILES that cannot be read are counted."""
    if not inputs.refused:
        return []
    if given.lines is None:
        count = f"{len(inputs.refused)} of {counted(len(given.graphs), 'graph')} cannot be used"
        raise refuse(KEY, path, f"{count}. {describe(inputs.refused)} Correct them, or leave them out.")
    from gnn_distill.data.assembly.molecules import handle_invalid  # imports RDKit

    rows = [(given.lines[position], given.graphs[position]) for position in sorted(inputs.refused)]
    return handle_invalid(rows, len(given.graphs), on_invalid, f"{KEY}={path}")


def _as_compared(graphs: PackedGraphs, pipeline: InputPipeline) -> PackedGraphs:
    """The graphs by which equal ones are found: molecules without stereo."""
    if pipeline.smiles is None:
        return graphs
    from gnn_distill.data.assembly.molecule_overlap import without_stereo  # imports RDKit

    return without_stereo(graphs)


def _notices_of_twins(twins: dict[str, Bool[Tensor, " graphs"]], pipeline: InputPipeline) -> list[str]:
    counts = [f"{int(mask.sum()):,} in {PARTS[part]}" for part, mask in twins.items() if mask.any()]
    if not counts:
        return []
    how = EQUAL if pipeline.smiles is None else f"{EQUAL[:-1]}, stereo left out)"
    return [f"{KEY}: graphs with an equal one {how} are left out: {', '.join(counts)}."]


def _notices_of_unseen(seen: Seen, graphs: PackedGraphs, pipeline: InputPipeline) -> Iterator[str]:
    """A notice of values that no labelled training graph has, of which the teacher knows nothing."""
    found = [f"{what} ({int(mask.sum()):,})" for what, mask in islice(seen.unseen(graphs, pipeline), MOST_LISTED + 1)]
    if found:
        more = ", ..." if len(found) > MOST_LISTED else ""
        listed = ", ".join(found[:MOST_LISTED])
        yield f"{KEY}: values that no training graph with a label has (number of graphs): {listed}{more}."
