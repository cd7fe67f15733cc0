"""Profiles by distance of a finished run's models, into profile.json of its folder."""

import time
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gnn_distill.analysis.errors import errors_by_distance
from gnn_distill.analysis.held_out import FEW, held_out
from gnn_distill.analysis.hops import Distances
from gnn_distill.analysis.influence import Scene, at_rest
from gnn_distill.analysis.profile import ProfileSettings, profile_model
from gnn_distill.analysis.states import Subject
from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.config.schema.probe import PROFILE_KEYS, ExamineSettings
from gnn_distill.data.batching import collate
from gnn_distill.data.budget import evaluation_batches
from gnn_distill.data.packed import PackedGraphs, gather_ranges
from gnn_distill.data.task import GraphTask
from gnn_distill.pipeline.finished_run import FinishedRun, load_once
from gnn_distill.pipeline.probe import facts_of, is_made
from gnn_distill.storage.checksums import write_json
from gnn_distill.storage.run_directory import PROFILE
from gnn_distill.training.console import Console
from gnn_distill.training.metrics import Metrics

MADE_BY = ("gnn_distill.analysis.profile", "gnn_distill.analysis.errors")


def profile_run(
    run: FinishedRun,
    settings: ExamineSettings,
    paths: PathsConfig,
    console: Console,
    own_modules: bool = False,
    task: GraphTask | None = None,
) -> bool:
    """Write profile.json of a run, unless it holds what these settings and this code give; whether it was written.

    task: the run's data, if they are at hand. Neither weights nor random states nor other files of the run change.

    Raises:
        UserError: if its data or files have changed, or nothing is held out.
    """
    facts = facts_of(run, {key: getattr(settings, key) for key in PROFILE_KEYS}, MADE_BY)
    if is_made(run.folder / PROFILE, facts):
        return False
    started = time.process_time()
    with console.work("profiles") as work:
        task, models = load_once(run, paths, own_modules, task)
        found = profiles_of(task, models, settings, work.update)
        part = "test" if run.config.trainer.test else "val"
        found["errors"] = errors_of(task, models, part, settings.resamples)
    write_json(run.folder / PROFILE, {**facts, **found, "cpu_seconds": round(time.process_time() - started, 2)})
    return True


def profiles_of(
    task: GraphTask, models: dict[str, Subject], settings: ExamineSettings, advance: Callable[[int, int], None]
) -> dict[str, Any]:
    """Influence and attention by hop of each model, on the same held-out graphs."""
    graphs = examined_graphs(task, settings.profile_graphs, settings.seed)
    distances, found = Distances(graphs), {}
    how = ProfileSettings(settings.far[0], settings.samples, settings.resamples, settings.exact)
    for number, (role, subject) in enumerate(models.items()):
        advance(number, len(models))
        scene = Scene(
            *(subject.model, graphs, subject.encodings_of(graphs), distances, torch.arange(len(graphs))),
            **{"roots": settings.roots, "hops": settings.hops, "seed": settings.seed, "max_pairs": subject.max_pairs},
        )
        found[role] = profile_model(scene, how)
    return {
        "graphs": len(graphs),
        "units": "graphs" if len(graphs) > 1 else "nodes of one graph",
        "metric": task.spec.metric,
        "models": found,
    }


def examined_graphs(task: GraphTask, most: int, seed: int) -> PackedGraphs:
    """The held-out graphs; at node level, of one large graph, that graph, in which any node may be a root."""
    if task.spec.level == "node" and len(task.graphs) <= FEW:
        return task.graphs.select(task.graphs.graphs_of(task.splits.test.sort().values)[-1:])
    return held_out(task, most, seed=seed).graphs


def errors_of(task: GraphTask, models: dict[str, Subject], part: str, resamples: int) -> dict[str, Any] | None:
    """The metric by distance of each model on the part that the run reports, and what the distance is.

    The distance that each label depends on, where the source knows it; else, of labels of graphs, the diameter. None
    for labels of nodes without a known distance.
    """
    rows = getattr(task.splits, part)
    graph_level = task.spec.level == "graph"
    if task.label_distance is None and not graph_level:
        return None
    ids = rows if graph_level else task.graphs.graphs_of(rows)
    graphs = task.graphs.select(ids)
    unit = ids.numpy() if graph_level else task.graphs.node_graph[rows].numpy()
    if task.label_distance is not None:
        distance, what = task.label_distance[rows].numpy().astype(int), "label"
    else:
        distance, what = Distances(graphs).diameters(), "diameter"
    metrics, found = Metrics(task.spec), {}
    for role, subject in models.items():
        logits = logits_of(subject, graphs)
        if not graph_level:
            logits = logits[torch.isin(gather_ranges(task.graphs.node_ptr, ids), rows)]
        found[role] = [
            one.to_json()
            for one in errors_by_distance(
                task.spec, logits, task.graphs.y[rows], distance, unit,
                lambda *some: metrics.measure(task.spec.metric, *some), resamples,
            )
        ]  # fmt: skip
    return {"part": part, "distance": what, "models": found}


def logits_of(subject: Subject, graphs: PackedGraphs, batch_size: int = 128) -> Float[Tensor, "example output"]:
    """A model's outputs for all graphs (their nodes at node level), in order."""
    encodings, parts, order = subject.encodings_of(graphs), [], []
    with at_rest(subject.model), torch.no_grad():
        for ids in evaluation_batches(graphs.num_nodes, torch.arange(len(graphs)), batch_size, subject.max_pairs):
            batch = collate(graphs, encodings, ids)
            parts.append(subject.model(batch).logits)
            order.append(ids if graphs.level == "graph" else batch.node_rows)
    return torch.cat(parts)[torch.cat(order).argsort()]
