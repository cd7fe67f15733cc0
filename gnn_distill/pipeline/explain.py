"""`gnn-distill explain`: what carries the predictions of a run's student and teacher, for some graphs."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from gnn_distill.analysis.attribution import METHODS, Asked, Attribution
from gnn_distill.analysis.rollout import attention_rollout
from gnn_distill.analysis.states import Subject
from gnn_distill.config.schema.explain import ExplainCommand
from gnn_distill.data.assembly.molecule_overlap import MoleculeTask
from gnn_distill.data.packed import PackedGraphs
from gnn_distill.data.task import GraphTask, TaskSpec
from gnn_distill.errors import UserError, refuse, suggest
from gnn_distill.formatting import counted
from gnn_distill.models import build_student
from gnn_distill.models.predictor import Predictor
from gnn_distill.pipeline.explained import explained_graphs, explained_nodes
from gnn_distill.pipeline.explained_nodes import choose_nodes
from gnn_distill.pipeline.finished_run import FinishedRun, load_data, load_models
from gnn_distill.pipeline.predict_file import open_source
from gnn_distill.pipeline.student_ensemble import Ensemble
from gnn_distill.results.explanations import Explanations

Say = Callable[[str], None]


@dataclass(frozen=True)
class Chosen:
    """The graphs that are explained, as models read them."""

    graphs: PackedGraphs
    names: list[str]
    smiles: list[str] | None
    of = None
    """Graphs are explained as wholes."""

    def asking(self, asked: Asked) -> Asked:
        """What is asked of rows of these graphs, which are the graphs'."""
        return asked

    def rows(self, logits: Float[Tensor, "graph output"]) -> Float[Tensor, "graph output"]:
        """All of them: each is a graph's."""
        return logits


def explain_run(run: FinishedRun, command: ExplainCommand, say: Say) -> Explanations:
    """Explain the chosen graphs, or nodes, by the run's models. `say` receives what the user should know.

    Raises:
        UserError: for a run without a student, a target or node that it lacks, or an input that it cannot read.
    """
    if run.config.student.name == "none":
        raise refuse("run", run.folder, "this run trained no student. Name another.")
    ensemble = Ensemble([run.folder], "cpu", command.own_modules)
    predictor = ensemble.members[0]
    check_level(predictor.spec, command)
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(text)
        say(text)

    task = _data(run, command, note)
    models = _models(run, task, predictor, command, note)
    if predictor.spec.level == "node":
        chosen = choose_nodes(task, command.nodes, command.limit)
        if not command.nodes:
            note(f"{len(chosen.of)} of {len(task.splits.test):,} test nodes of the run: nodes=[…] chooses others.")
    elif command.input:
        reads_edges = any(subject.model.reads_edges for subject in models.values())
        chosen = _given(command, ensemble, reads_edges, note)
    else:
        chosen = _tested(task, command.limit, note)
    logits = _logits(predictor, chosen.graphs, note)
    asked, words = ask(predictor.spec, command.target, chosen.rows(logits), note)
    asked = chosen.asking(asked)
    found = {role: _explained(role, subject, chosen.graphs, asked, command, note) for role, subject in models.items()}
    found = {role: values for role, values in found.items() if values is not None}
    if not found:
        raise UserError(f"{run.folder}: none of its models shows its encoder of features. Nothing can be explained.")
    attention = attention_rollout(models["student"], chosen.graphs, chosen.of)
    if attention is None:
        note(f"The student ({run.config.student.name}) has no matrix of attention between nodes: there is no rollout.")
    if isinstance(chosen, Chosen):
        explained = explained_graphs(chosen.graphs, chosen.names, chosen.smiles, words, found, attention)
    else:
        explained = explained_nodes(chosen, predictor.spec, words, found, attention)
    unit = "" if predictor.spec.kind == "regression" else "logit"
    return Explanations(
        run.folder.resolve().name, predictor.spec.name, command.method, command.tolerance, unit, explained, notes
    )


def check_level(spec: TaskSpec, command: ExplainCommand) -> None:
    """Raise UserError where the command asks for what a run of graphs, or of nodes, cannot explain."""
    if spec.level == "graph" and command.nodes:
        told = f"the run predicts graphs of {spec.name}, whose nodes are all part of the explanation. Leave it out."
        raise refuse("nodes", command.nodes, told)
    if spec.level == "node" and command.input:
        told = (
            f"the run predicts nodes of {spec.name}, and nodes of its own data are explained. Choose them by nodes=[…]."
        )
        raise refuse("input", command.input, told)


def ask(
    spec: TaskSpec, target: str | None, logits: Float[Tensor, "graph output"], note: Say
) -> tuple[Asked, list[str]]:
    """What is explained of each graph, and its name.

    Of a regression the value in its unit; of classes the logit of the class, of two ± the one logit.

    logits: the student's, for the class that it predicts.

    Raises:
        UserError: for a target that the task does not have.
    """
    names = spec.target_names if spec.kind in ("regression", "multilabel") else spec.classes
    if target is not None and target not in names:
        choices = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
        raise refuse("target", target, f"unknown choice.{suggest(target, names)} Choices: {choices}.")
    count, given = len(logits), None if target is None else names.index(target)
    if spec.kind == "multiclass":
        output = logits.argmax(dim=1) if given is None else torch.full((count,), given)
        return Asked(output, torch.ones(count, dtype=torch.double)), [f"class {names[k]}" for k in output.tolist()]
    if given is None and len(names) > 1 and spec.kind != "binary":
        note(f"Of {len(names)} targets the first is explained, {names[0]}: choose by target=NAME.")
    column = 0 if given is None or spec.kind == "binary" else given
    output = torch.full((count,), column)
    if spec.kind == "regression":
        scale = torch.full((count,), spec.target_std[column], dtype=torch.double)
        return Asked(output, scale, spec.target_mean[column]), [names[column]] * count
    positive = logits[:, column] > 0
    if spec.kind == "binary" and given is not None:
        positive = torch.full((count,), given == 1)
    of = f"{names[column]} = " if spec.kind == "multilabel" else "class "
    words = [f"{of}{spec.classes[int(one)]}" for one in positive]
    return Asked(output, torch.where(positive, 1.0, -1.0).double()), words


def _data(run: FinishedRun, command: ExplainCommand, note: Say) -> GraphTask | None:
    """The run's data; None if they are not needed, or not there and could be done without."""
    if command.input is not None and command.models == "student":
        return None
    try:
        return load_data(run, command.paths)
    except UserError as error:
        if command.input is None:
            raise
        note(f"The teacher is left out, since the run's data cannot be read again: {error}")
        return None


def _models(
    run: FinishedRun, task: GraphTask | None, predictor: Predictor, command: ExplainCommand, note: Say
) -> dict[str, Subject]:
    """Student and, if wanted and possible, teacher."""
    if task is None or command.models == "student":
        build = partial(build_student, run.config.student, run.config.encoding, predictor.spec)
        return {
            "student": Subject(predictor.student, predictor.encoding, build, predictor.max_pairs, predictor.patching)
        }
    models = load_models(run, task, command.own_modules)
    if "teacher" not in models:
        note("The run has no teacher that could be explained: the student stands alone.")
    elif run.config.teacher.also:
        note("Of several teachers the first is explained.")
    return {role: models[role] for role in ("teacher", "student") if role in models}


def _given(command: ExplainCommand, ensemble: Ensemble, reads_edges: bool, note: Say) -> Chosen:
    """The first graphs of the input that can be read."""
    source = open_source(Path(command.input).expanduser(), ensemble, command.smiles_column, note)
    lines = list(islice(source.lines, command.limit + 1))
    if len(lines) > command.limit:
        note(f"Only the first {counted(command.limit, 'input is', 'inputs are')} explained: set limit= for more.")
    lines = lines[: command.limit]
    if not lines:
        raise UserError("There is nothing to explain: the input has no rows.")
    inputs = ensemble.members[0].prepared([line.entry for line in lines], reads_edges)
    names = [str(number) if source.smiles else line.cells[0] for number, line in enumerate(lines, start=1)]
    for position, unfit in sorted(inputs.refused.items()):
        note(f"Input {names[position]} cannot be explained: {unfit.told(lines[position].entry)}.")
    kept = inputs.positions.tolist()
    if not kept:
        raise UserError("No input can be explained.")
    # Atoms are those of the molecule that was read, such as a salt's largest fragment.
    read = ensemble.members[0].pipeline.standardised
    smiles = [str(read(lines[position].entry)) for position in kept] if source.smiles else None
    return Chosen(inputs.graphs, [names[position] for position in kept], smiles)


def _tested(task: GraphTask, limit: int, note: Say) -> Chosen:
    """The first test graphs of the run."""
    ids = task.splits.test[:limit]
    note(f"{len(ids)} of {len(task.splits.test):,} test graphs of the run, by their numbers in its data.")
    smiles = [task.smiles[graph] for graph in ids.tolist()] if isinstance(task, MoleculeTask) else None
    return Chosen(task.graphs.select(ids), [str(graph) for graph in ids.tolist()], smiles)


def _logits(predictor: Predictor, graphs: PackedGraphs, note: Say) -> Float[Tensor, "graph output"]:
    """The student's outputs for graphs, or for all their nodes, with a note of what no training graph had."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        logits = predictor.logits(graphs)
    for warning in found:
        note(str(warning.message))
    return logits


def _explained(
    role: str, subject: Subject, graphs: PackedGraphs, asked: Asked, command: ExplainCommand, note: Say
) -> list[Attribution] | None:
    """The attributions of a model; None, with a note, if it encodes features in its own way."""
    explain = METHODS[command.method]
    if command.method == "integrated":
        explain = partial(explain, tolerance=command.tolerance, most=command.steps)
    try:
        found = explain(subject, graphs, asked)
    except ValueError as error:
        note(f"The {role} is left out: {error}.")
        return None
    if not subject.model.reads_edges:
        note(f"The {role} reads no edge features: its bonds and edges have no values of their own.")
    return found
