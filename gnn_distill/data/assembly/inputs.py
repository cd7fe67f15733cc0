"""The inputs of a saved student: the accepted forms, and the reasons why some inputs are refused."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, SequentialSampler
from torch_geometric.data import Batch, Data

from gnn_distill.data.assembly.graphs import faults, graphs_with
from gnn_distill.data.assembly.input_kinds import is_missing, is_molecule
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import Features, TaskSpec
from gnn_distill.errors import UserError, shorten
from gnn_distill.formatting import counted

TAKEN = (
    "a SMILES, a PyG Data, an RDKit molecule, a list, Series, Batch, DataLoader or generator of them, or a DataFrame "
    "with a column of SMILES"
)
ON_INVALID = ("error", "nan")


class Unfit(Exception):
    """Why one input cannot be predicted, and an excerpt of it."""

    def __init__(self, why: str, shown: object = "") -> None:
        super().__init__(why)
        self.why, self.shown = why, shorten(str(shown))

    def told(self, entry: object) -> str:
        """Why, with the excerpt, unless that is the entry itself, which stands beside it."""
        return f"{self.why} ({self.shown})" if self.shown not in ("", shorten(repr(entry))) else self.why


@dataclass
class Inputs:
    """The graphs that can be predicted, their positions among all inputs, and why the others cannot."""

    graphs: PackedGraphs
    positions: Int[Tensor, " graphs"]
    rows: list[int | None]
    """Number of rows per input in the result: 1, or its number of nodes at node level; None: unknown."""
    refused: dict[int, Unfit] = field(default_factory=dict)

    def refuse(self, bad: Bool[Tensor, " graphs"], why: str, shown: Iterable[object] = repeat("")) -> None:
        """Record why some graphs cannot be predicted, unless another reason is recorded, and an excerpt of each."""
        for position, one in zip(self.positions[bad].tolist(), shown, strict=False):
            self.refused.setdefault(position, Unfit(why, one))

    def refuse_rows(self, bad: Bool[Tensor, " rows"], ptr: Int[Tensor, " graphs+1"], why: str, units: str) -> None:
        """The same for the graphs that own these rows; the rows are named if there is only one graph."""
        named = len(self.graphs) == 1 and units != "graphs"
        shown = [f"{units} {listed(bad.nonzero().flatten().tolist())}"] if named else repeat("")
        self.refuse(graphs_with(bad, ptr), why, shown)

    def keep_rest(self) -> None:
        """Leave out the graphs that were refused."""
        kept = torch.tensor([position not in self.refused for position in self.positions.tolist()], dtype=torch.bool)
        if not kept.all():
            self.graphs, self.positions = self.graphs.select(kept.nonzero().flatten()), self.positions[kept]

    def report_refused(self, on_invalid: str) -> str:
        """A description of the refused inputs, raised as UserError if `on_invalid` is error, or rows are unknown."""
        if not self.refused:
            return ""
        refusals = (
            f"{len(self.refused)} of {counted(len(self.rows), 'input')} cannot be predicted. {describe(self.refused)}"
        )
        if on_invalid == "error":
            raise UserError(f"{refusals} Fix them or leave them out; with on_invalid='nan' their rows are NaN.")
        if None in self.rows:
            unknown = listed([position for position, rows in enumerate(self.rows) if rows is None])
            raise UserError(f"{refusals} The number of rows for input {unknown} is unknown: leave these out.")
        return refusals


def describe(refused: Mapping[int, Unfit]) -> str:
    """Every reason with the first inputs it applies to."""
    groups: dict[str, list[str]] = defaultdict(list)
    for position, unfit in sorted(refused.items()):
        groups[unfit.why].append(f"{position} ({unfit.shown})" if unfit.shown else str(position))
    return " ".join(f"Input {listed(places)}: {why}." for why, places in groups.items())


def listed(places: list) -> str:
    """The first three, and the total number if there are more."""
    return ", ".join(map(str, places[:3])) + (f", ... ({len(places)} in all)" if len(places) > 3 else "")


def entries_of(given: object) -> list[Any]:
    """One molecule or graph per row of the result. Raises UserError for inputs without order or entries."""
    if isinstance(given, str) or (isinstance(given, Data) and not isinstance(given, Batch)) or is_molecule(given):
        return [given]
    if isinstance(given, Batch):
        return _unbatched(given)
    if isinstance(given, DataLoader):
        if not isinstance(given.sampler, SequentialSampler):
            raise UserError(
                "This DataLoader does not return its data in order: pass the data, so that rows can be matched."
            )
        return entries_of(given.dataset)
    if isinstance(given, Dataset) and hasattr(given, "__len__"):  # its own iteration may be endless
        return entries_of([given[index] for index in range(len(given))])
    if is_missing(given):
        raise UserError(f"predict was given {given!r}, a missing value; it takes {TAKEN}.")
    try:
        if isinstance(given, Mapping | Set | bytes | Tensor):
            raise TypeError
        entries = iter(given)
    except (TypeError, NotImplementedError) as error:
        raise UserError(f"predict was given a {type(given).__name__}; it takes {TAKEN}.") from error
    entries = [one for entry in entries for one in (_unbatched(entry) if isinstance(entry, Batch) else [entry])]
    if not entries:
        raise UserError(f"There is nothing to predict: the {type(given).__name__} is empty.")
    return entries


def read(given: object, spec: TaskSpec, pipeline: InputPipeline, reads_edges: bool) -> Inputs:
    """The inputs as packed graphs, before the pipeline; unreadable inputs are refused."""
    entries = entries_of(given)
    if pipeline.smiles is None and any(isinstance(entry, str) or is_molecule(entry) for entry in entries):
        raise UserError(f"The student was trained on {spec.name}, not on molecules: it cannot read SMILES.")
    data_list, rows, refused = [], [], {}
    for position, entry in enumerate(entries):
        try:
            data_list.append(_as_data(entry, spec, pipeline, reads_edges))
        except Unfit as unfit:
            refused[position] = unfit.with_traceback(None)  # it would keep all inputs alive, in a cycle
        rows.append(1 if spec.level == "graph" else _known_nodes(entry))
    positions = torch.tensor([place for place in range(len(entries)) if place not in refused], dtype=torch.long)
    placeholder = Data(zeros(spec.node_features, 0), torch.empty(2, 0, dtype=torch.long))  # packing needs a graph
    packed = PackedGraphs.from_data_list(data_list or [placeholder], spec.num_targets, spec.level)
    return Inputs(packed if data_list else packed.select(positions), positions, rows, refused)


def check(inputs: Inputs, spec: TaskSpec, pipeline: InputPipeline) -> None:
    """Refuse what training would refuse: graphs without nodes, edges that leave them, features that cannot be read."""
    graphs = inputs.graphs
    for bad, ptr, units, what in faults(graphs):
        inputs.refuse_rows(bad, ptr, what, units)
    if pipeline.normalize_features:
        why = "negative node features, which cannot be divided by their sum"
        inputs.refuse_rows((graphs.x < 0).any(dim=1), graphs.node_ptr, why, "nodes")
    if pipeline.max_degree is None:
        _check_categories(inputs, graphs.x, graphs.node_ptr, spec.node_features, "node")
    if graphs.edge_attr is not None:
        _check_categories(inputs, graphs.edge_attr, graphs.edge_ptr, spec.edge_features, "edge")


def _check_categories(inputs: Inputs, values: Tensor, ptr: Tensor, features: Features, what: str) -> None:
    if features.kind == "continuous":
        return
    broken = (values != values.floor()).any(dim=1)
    inputs.refuse_rows(broken, ptr, f"{what} features are categories, and must be whole numbers", f"{what}s")
    for column, size in enumerate(features.sizes):
        beyond = (values[:, column] < 0) | (values[:, column] >= size)
        bad = graphs_with(beyond, ptr)
        first = [int(values[start:stop, column][beyond[start:stop]][0]) for start, stop in _ranges(ptr, bad)]
        inputs.refuse(bad, f"{what} feature {column} is not one of the categories 0 to {size - 1}", first)


def _ranges(ptr: Int[Tensor, " graphs+1"], chosen: Bool[Tensor, " graphs"]) -> list[list[int]]:
    """Start and end of the rows of the chosen graphs."""
    return torch.stack([ptr[:-1], ptr[1:]], dim=1)[chosen].tolist()


def misfit(values: Tensor | None, features: Features, what: str, spec: TaskSpec, pipeline: InputPipeline) -> str:
    """Why the number of features does not match training; empty if it does."""
    if values is not None and values.size(1) == features.width:
        return ""
    width = "no" if values is None else values.size(1)
    mismatch = f"{width} {what} features; graphs of {spec.name} have {features.width}"
    return f"{mismatch}, as {pipeline.origin} gives them" if pipeline.origin else mismatch


def zeros(features: Features, rows: int) -> Tensor:
    """Rows of zero features."""
    return torch.zeros(rows, features.width, dtype=torch.float if features.kind == "continuous" else torch.long)


def _as_data(entry: object, spec: TaskSpec, pipeline: InputPipeline, reads_edges: bool) -> Data:
    """A graph of tensors whose shapes fit; raises Unfit."""
    if isinstance(entry, Unfit):
        raise entry
    if isinstance(entry, str) or is_molecule(entry):
        data = pipeline.read_smiles(entry)
        if data is None and isinstance(entry, str):
            raise Unfit("not a readable SMILES" if entry.strip() else "an empty text, not a SMILES", repr(entry))
        if data is None:
            raise Unfit("not a readable molecule", repr(entry))
        entry = data
    if not isinstance(entry, Data):
        raise Unfit("missing" if is_missing(entry) else "neither a graph nor a SMILES", repr(entry))
    return _checked_features(entry, spec, pipeline, reads_edges)


def _checked_features(data: Data, spec: TaskSpec, pipeline: InputPipeline, reads_edges: bool) -> Data:
    edges = data.edge_index
    if not isinstance(edges, Tensor) or edges.layout != torch.strided or edges.dim() != 2 or edges.size(0) != 2:
        raise Unfit("edge_index must be a tensor [2, edges], torch.empty(2, 0) if there are none")
    if edges.numel() and (edges.is_floating_point() or edges.is_complex()):
        raise Unfit("edge_index must contain whole numbers")
    if pipeline.max_degree is None:
        x = _columns(data.x, "x")
        if why := misfit(x, spec.node_features, "node", spec, pipeline):
            raise Unfit(why)
        if _num_nodes(data) != len(x):
            raise Unfit("num_nodes is not the number of rows of x", f"{_num_nodes(data)}, {len(x)} rows")
        x = x.float() if spec.node_features.kind == "continuous" else x
    elif (num_nodes := _num_nodes(data)) is None:
        raise Unfit("num_nodes is unknown")
    else:
        x = torch.empty(num_nodes, 0)
    edge_attr = None
    if reads_edges:
        edge_attr = _columns(data.edge_attr, "edge_attr")
        if edge_attr is None and not edges.size(1):
            edge_attr = zeros(spec.edge_features, 0)
        if why := misfit(edge_attr, spec.edge_features, "edge", spec, pipeline):
            raise Unfit(why)
        if len(edge_attr) != edges.size(1):
            raise Unfit("edge_attr needs one row for every edge", f"{len(edge_attr)} rows, {edges.size(1)} edges")
    return Data(x, edges.long().cpu(), edge_attr)


def _columns(values: object, name: str) -> Tensor | None:
    """Features as a dense matrix on the CPU; raises Unfit."""
    if values is None:
        return None
    if not isinstance(values, Tensor) or values.dim() not in (1, 2) or values.is_complex():
        raise Unfit(f"{name} must be a tensor of numbers, one row per {'node' if name == 'x' else 'edge'}")
    values = values.detach().cpu()
    values = values if values.layout == torch.strided else values.to_dense()
    return values[:, None] if values.dim() == 1 else values


def _num_nodes(data: Data) -> int | None:
    """The number of nodes of a graph, by its edges if it says nothing else."""
    try:
        count = data.num_nodes
    except (RuntimeError, LookupError, TypeError):  # PyG counts in whatever tensors exist
        return None
    return count if isinstance(count, int) and count >= 0 else None


def _known_nodes(entry: object) -> int | None:
    """The number of nodes of a graph by its features or `num_nodes`, but not by its edges, which may be wrong."""
    known = isinstance(entry, Data) and (isinstance(entry.x, Tensor) or "num_nodes" in entry)
    return _num_nodes(entry) if known else None


def _unbatched(batch: Batch) -> list[Data]:
    try:
        return batch.to_data_list()
    except RuntimeError as error:
        raise UserError(f"This Batch cannot be split into its graphs ({error}): pass a list of its graphs.") from error
