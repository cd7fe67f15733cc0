"""Profiles by distance of a finished run's models, written to profile.json in its folder."""

from dataclasses import asdict
from pathlib import Path
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
from gnn_distill.data.batching import collate, evaluation_batches
from gnn_distill.data.packed import PackedGraphs, gather_ranges
from gnn_distill.data.task import GraphTask
from gnn_distill.pipeline.finished_run import FinishedRun, load_data, load_models
from gnn_distill.storage.checksums import write_json
from gnn_distill.storage.run_directory import PROFILE
from gnn_distill.training.metrics import Metrics


def profile_run(
    run: FinishedRun,
    settings: ProfileSettings,
    *,
    most: int = 128,
    hops: int = 10,
    roots: int = 32,
    seed: int = 0,
    task: GraphTask | None = None,
    models: dict[str, Subject] | None = None,
) -> dict[str, Any]:
    """The profiles of a run's models on held-out graphs, and their errors by distance; also written to profile.json.

    most: graphs at most; roots: nodes of a single large graph that are looked at; task, models: if they are loaded.

    Raises:
        UserError: if the run's files are damaged, its data have changed, or nothing is held out.
    """
    task = task or load_data(run)
    models = models or load_models(run, task)
    graphs = examined_graphs(task, most, seed)
    distances = Distances(graphs)
    profiles = {}
    for role, subject in models.items():
        scene = Scene(
            subject.model, graphs, subject.encodings_of(graphs), distances, torch.arange(len(graphs)),
            roots=roots, hops=hops, seed=seed, max_pairs=subject.max_pairs,
        )  # fmt: skip
        profiles[role] = profile_model(scene, settings)
    part = "test" if run.config.trainer.test else "val"
    errors = errors_of(task, models, part, settings.resamples)
    profile = {
        "settings": {**asdict(settings), "hops": hops, "graphs": most, "roots": roots, "seed": seed},
        "data": task.fingerprint,
        "graphs": len(graphs),
        "units": "graphs" if len(graphs) > 1 else "nodes of one graph",
        "metric": task.spec.metric,
        "models": profiles,
        "errors": errors,
    }
    write_json(Path(run.folder) / PROFILE, profile)
    return profile


def examined_graphs(task: GraphTask, most: int, seed: int) -> PackedGraphs:
    """The held-out graphs; at node level, of one large graph, that graph, in which any node may be a root."""
    if task.spec.level == "node" and len(task.graphs) <= FEW:
        return task.graphs.select(task.graphs.graphs_of(task.splits.test.sort().values)[-1:])
    return held_out(task, most, seed).graphs


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
