"""Which pairs of graphs a model tells apart: untrained, on all pairs of a set; trained, pair by pair."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from gnn_distill.config.plugins import full_name
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.separate import SeparateCommand
from gnn_distill.data.batching import collate
from gnn_distill.data.encodings.structural import StructuralEncodings
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.reading.graph_pairs import PAIRS, relabelled, spec_of
from gnn_distill.data.subgraphs.patches import compute_inputs
from gnn_distill.data.subgraphs.patching import patching_of
from gnn_distill.data.task import TaskSpec
from gnn_distill.models import build_student, build_teacher
from gnn_distill.models.embeddings import embed, in_double, same_pairs
from gnn_distill.models.gnn_backbone import teacher_encoding
from gnn_distill.training.paired_comparisons import compare, contrast

if TYPE_CHECKING:
    from collections.abc import Callable

COPIES_SEED = 2022
"""Seed of relabelled copies, so that `seed` changes the models alone."""
MOST_LISTED = 10_000
COLUMNS = (
    *("pair", "category", "distinguished", "reliable", "statistic", "same_statistic", "p_value"),
    *("smoothed_statistic", "epochs"),
)
"""Of the rows of BREC's pairs."""


class ModelMaker:
    """Makes models of the command's architecture with random weights."""

    def __init__(self, config: SeparateCommand) -> None:
        self.is_student = config.student.name != "none"
        self.settings = config.student if self.is_student else config.teacher
        self.encoding: EncodingConfig = config.encoding if self.is_student else teacher_encoding(config.teacher)

    @property
    def name(self) -> str:
        """`gin`."""
        return self.settings.name

    @property
    def module(self) -> str:
        """Full name of the module that defines it."""
        return full_name("student.name" if self.is_student else "teacher.name", self.name)

    def make(self, spec: TaskSpec, seed: Iterable[int]) -> nn.Module:
        """A model whose weights, and whatever is drawn after it, depend on the numbers of `seed` alone."""
        torch.manual_seed(int(np.random.SeedSequence([*seed]).generate_state(1)[0]))
        return (
            build_student(self.settings, self.encoding, spec) if self.is_student else build_teacher(self.settings, spec)
        )

    def encodings(self, graphs: PackedGraphs, spec: TaskSpec) -> StructuralEncodings:
        """What the models read beside the graphs."""
        patching = patching_of(self.settings, spec) if self.is_student else None
        return compute_inputs(graphs, self.encoding, patching)


def separate_untrained(
    config: SeparateCommand, graphs: PackedGraphs, maker: ModelMaker, progress: "Callable[[int, int], None]"
) -> tuple[pd.DataFrame, np.ndarray]:
    """A row for each untrained model and one for all, and the pairs [P, 2] that none tells apart, the first ones.

    In float64, since with many neighbours rounding in float32 exceeds the tolerance. `unstable` counts graphs that a
    model tells apart from a relabelled copy of themselves: its pairs say nothing about the graphs.
    """
    settings, spec = config.separate, spec_of(config.dataset.name, graphs, config.separate.outputs)
    copies = relabelled(graphs, np.random.default_rng(COPIES_SEED))
    read = [(version, in_double(maker.encodings(version, spec))) for version in (graphs, copies)]
    embeddings, rows = [], []
    for number in range(settings.models):
        model = maker.make(spec, (config.seed, number)).double()
        found, own = (embed(model, *version, settings.batch_size).numpy() for version in read)
        embeddings.append(found)
        unstable = int((np.abs(found - own).sum(axis=1) > settings.tolerance).sum())
        same = sum(len(pairs) for pairs in same_pairs(found[None], settings.tolerance))
        rows.append(row_of(str(number), len(graphs), same, unstable))
        progress(number + 1, settings.models + 1)
    same, listed = 0, []
    for pairs in same_pairs(np.stack(embeddings), settings.tolerance):
        listed += [pairs] if same < MOST_LISTED else []
        same += len(pairs)
    rows.append(row_of("all", len(graphs), same, max(row["unstable"] for row in rows)))
    pairs = np.concatenate(listed)
    return pd.DataFrame(rows), pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))][:MOST_LISTED]


def row_of(model: str, graphs: int, same: int, unstable: int) -> dict[str, Any]:
    """A row of the result."""
    pairs = graphs * (graphs - 1) // 2
    return {"model": model, "pairs": pairs, "not_told_apart": same, "told_apart": pairs - same, "unstable": unstable}


def separate_pairs(
    config: SeparateCommand, graphs: PackedGraphs, maker: ModelMaker, done: Iterable[int]
) -> Iterator[dict[str, Any]]:
    """A row for each of BREC's pairs in the chosen categories but those `done`: a training and its test."""
    spec = spec_of(config.dataset.name, graphs, config.brec.outputs)
    finished = {*done}
    for category in config.brec.categories:
        for pair in PAIRS[category]:
            if pair not in finished:
                yield {"pair": pair, "category": category, **separate_pair(config, graphs, maker, spec, pair)}


def separate_pair(
    config: SeparateCommand, graphs: PackedGraphs, maker: ModelMaker, spec: TaskSpec, pair: int
) -> dict[str, Any]:
    """Train a model for one pair, and test it on that pair, and on copies of one of its graphs."""
    settings, rng = config.brec, np.random.default_rng([COPIES_SEED, pair])
    both = torch.tensor([2 * pair, 2 * pair + 1])
    in_turn = copies_of(graphs, both.repeat(settings.copies), rng)
    same = copies_of(graphs, both[rng.integers(2)].repeat(2 * settings.copies), rng)
    model, encodings = maker.make(spec, (config.seed, pair)), maker.encodings(in_turn, spec)
    batches = [collate(in_turn, encodings, ids) for ids in torch.arange(len(in_turn)).split(settings.batch_size)]
    epochs = contrast(model, lambda: (model(batch).logits for batch in batches), settings)
    found = compare(
        embed(model, in_turn, encodings, settings.batch_size),
        embed(model, same, maker.encodings(same, spec), settings.batch_size),
        settings,
    )
    return {
        "distinguished": found.distinguished,
        "reliable": found.reliable,
        "statistic": found.statistic,
        "same_statistic": found.same_statistic,
        "p_value": found.p_value,
        "smoothed_statistic": found.smoothed_statistic,
        "epochs": epochs,
    }


def copies_of(graphs: PackedGraphs, ids: torch.Tensor, rng: np.random.Generator) -> PackedGraphs:
    """The graphs `ids` with their nodes in random order, but for the first of each, which stays as it is."""
    chosen = graphs.select(ids)
    renamed = relabelled(chosen, rng)
    first = torch.tensor([bool((ids[:place] != graph).all()) for place, graph in enumerate(ids)])
    kept = first.repeat_interleave(chosen.num_edges)
    renamed.edge_index = torch.where(kept, chosen.edge_index, renamed.edge_index)
    return renamed
