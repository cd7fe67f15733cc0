"""One run, from data to summary: train the teacher, distil it into the student, evaluate both. Read this first."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from gnn_distill import ranks
from gnn_distill.config.quoting import report_command, resume_command
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.data.assembly.seen import Seen
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.subgraphs.patching import patching_of
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError
from gnn_distill.formatting import ROLES
from gnn_distill.interruption import Interrupted, Interruption
from gnn_distill.losses.task import make_task_loss
from gnn_distill.models.ensemble import as_one
from gnn_distill.pipeline.ensemble import together
from gnn_distill.pipeline.evaluate import measuring
from gnn_distill.pipeline.finished_run import FinishedRun
from gnn_distill.pipeline.fitting import check_ranks
from gnn_distill.pipeline.floors import best_floor, by_floor, compute_floors, constant_floor, describe_no_better
from gnn_distill.pipeline.hops import with_hops
from gnn_distill.pipeline.kept_predictions import KeptPredictions
from gnn_distill.pipeline.messages import TRANSDUCTIVE, describe_spread, print_data, print_each_teacher, print_reused
from gnn_distill.pipeline.patches import stored_inputs
from gnn_distill.pipeline.probe import probe_run
from gnn_distill.pipeline.profile import profile_run
from gnn_distill.pipeline.runtime import Runtime, make_fabric
from gnn_distill.pipeline.student import check_student, taught_nodes, train_student, untaught
from gnn_distill.pipeline.subgraphs import StoredStructure
from gnn_distill.pipeline.summary import Made, split_sizes, summarise
from gnn_distill.pipeline.teacher import train_teacher
from gnn_distill.pipeline.teacher_outputs import compute_teacher_outputs
from gnn_distill.pipeline.teacher_plan import plan_teachers
from gnn_distill.pipeline.tracked_results import log_results, track
from gnn_distill.predict import save_student
from gnn_distill.results.figures import learning_curves
from gnn_distill.storage import checkpoint
from gnn_distill.storage.provenance import config_hash, environment
from gnn_distill.storage.resume import Seconds, start_or_resume
from gnn_distill.storage.run_directory import ALONE, PREDICTIONS, RUN, SPLIT, ReadDirectory, RunDirectory, write_failure
from gnn_distill.storage.run_lock import holding
from gnn_distill.storage.settings import Settings
from gnn_distill.storage.store import Store
from gnn_distill.training.console import Console
from gnn_distill.training.tracker import Tracker


def train_in(folder: Path, cfg: DictConfig, resume: bool = False) -> float:
    """Run all stages into `folder`; returns the student's (or lone teacher's) validation metric.

    With `resume` an unfinished run in that folder, of the same settings, continues after its last epoch.

    Raises:
        Interrupted: once a signal has come; what was finished is on disk.
    """
    first = ranks.is_first()
    console = Console() if first else Console(io.StringIO())
    with Interruption() as interruption, holding(folder) if first else nullcontext():
        interruption.stop_if_asked()
        try:
            with as_interrupted():
                return make_run(cfg, folder, resume, console, interruption)
        except Interrupted as signal:
            if (folder / RUN).exists():
                console.warn(f"Stopped by {signal}. Resume with: {resume_command(folder)}", lasting=False)
                signal.announced = True
            raise


def make_run(cfg: DictConfig, folder: Path, resume: bool, console: Console, interruption: Interruption) -> float:
    """Set up what all stages share, and run them."""
    config: TrainConfig = OmegaConf.to_object(cfg)
    directory = RunDirectory(folder, resume) if ranks.is_first() else None
    facts = ranks.from_first(lambda: directory.facts)
    directory = directory or ReadDirectory(folder, facts)
    fabric = make_fabric(config.trainer, threads=directory.facts.get("began_on", {}).get("threads", 0))
    if ranks.is_first():
        now = environment(fabric.device, config)
        start_or_resume(directory, config_hash(cfg), Settings.of_job(cfg), now, console.warn)
        console.keep(directory)
    with keeping_failure(directory, console):
        store = Store(config.paths.store, console.notice, maker=directory.facts.get("id", ""))
        runtime = Runtime(fabric, store, console, directory, Tracker(), interruption)
        try:
            with as_interrupted():
                return run_stages(runtime, config, partial(track, cfg, config, directory, console))
        except Interrupted:
            runtime.tracker.finish(completed=False)
            raise


def run_stages(runtime: Runtime, config: TrainConfig, tracker_of_run: Callable[[], Tracker]) -> float:
    """All stages in order; then the summary, whose existence means that the run is finished."""
    console, directory = runtime.console, runtime.directory
    made, seconds = Made(), Seconds(directory)
    has_teacher, has_student = config.teacher.name != "none", config.student.name != "none"
    directory.facts["store"] = runtime.store.used  # goes to run.json with all that follows

    # --- data ---
    with seconds.of("data"):
        with ranks.first_alone():  # the others find what it has downloaded
            task = load_task(config.dataset, config.paths)
        check_data(directory, task)
        if ranks.is_first():
            write_split(directory, task)
        task_loss = make_task_loss(task, config.task)
        check_student(task, config)  # before hours are spent on a teacher
        check_ranks(task, config, runtime.fabric.device)
        plans = plan_teachers(config, task)
    tracker = runtime.tracker = tracker_of_run()  # what has been refused by now is no run to track
    print_data(runtime, task, config)
    measure = measuring(runtime, task, task_loss, config, plans[0], made.encodings)

    # --- 1 teacher, or several ---
    if has_teacher:
        with seconds.of("teacher"):
            first = plans[0]  # all read the same
            if first.encoding != EncodingConfig() or first.patching:
                made.encodings["teacher"], _ = stored_inputs(runtime, task, first.encoding, first.patching)
            for plan in plans:
                made.teachers[plan.role], made.entries[plan.role] = train_teacher(
                    runtime, task, made.encodings["teacher"], task_loss, plan
                )
            made.models["teacher"] = as_one(list(made.teachers.values()), task.spec.kind)
            if has_student and plans[0].scored:
                value = measure("teacher", made.models["teacher"], "val")["val"][task.spec.metric]
                describe_no_better(console, task.spec, "teacher", value, [constant_floor(task)])

    # --- 2 signals ---
    if has_teacher and has_student:
        with seconds.of("signals"):
            structure, outputs = StoredStructure(runtime, task, plans[0].outputs.visible), []
            for plan in plans:
                teacher, trained = made.teachers[plan.role], made.entries[plan.role]
                found, made.entries[plan.role.replace("teacher", "signals")] = compute_teacher_outputs(
                    runtime, task, made.encodings["teacher"], teacher, trained, plan, structure
                )
                outputs.append(found)
            made.outputs = together(outputs, task.spec.kind)
        if made.outputs.visible == "transductive":
            console.notice(TRANSDUCTIVE)

    # --- 3 student ---
    if has_student:
        with seconds.of("encodings"):
            found, made.entries["encodings"] = stored_inputs(
                runtime, task, config.encoding, patching_of(config.student, task.spec)
            )
            made.encodings["student"] = with_hops(runtime, task, found, config)
        print_reused(console, made.entries, config.paths.store)
        with seconds.of("student", earlier=lambda: made.fitted.earlier):
            made.models["student"], made.fitted = train_student(
                runtime, task, made.encodings["student"], task_loss, made.outputs, config, made.models.get("teacher")
            )
    if config.alone and has_teacher and has_student:
        made.encodings["alone"] = made.encodings["student"]
        with seconds.of("alone", earlier=lambda: made.alone.earlier):
            made.models["alone"], made.alone = train_student(
                runtime, task, made.encodings["student"], task_loss, None, untaught(config), role="alone"
            )

    # --- 4 evaluate ---
    with seconds.of("floors"):
        made.floors = compute_floors(runtime, task, config)
    with seconds.of("evaluation"):
        results, predictions = {}, KeptPredictions(task)
        scored = [role for role in ROLES if role in made.models and (role != "teacher" or plans[0].scored)]
        for role in scored:
            with predictions.recording(role, made.models[role]):
                results[role] = measure(role, made.models[role])
        if len(made.teachers) > 1:
            made.each = [
                {"name": plan.name, "seed": plan.recipe.seed, **measure("teacher", made.teachers[plan.role])}
                for plan in plans
            ]
    last = list((results or by_floor([best_floor(made.floors, task.spec)], config)).values())[-1]
    value = last["val"][task.spec.metric]
    if not ranks.leave():
        return value
    if config.floors != "none":
        predictions.add("floor", best_floor(made.floors, task.spec).logits, config.trainer.test)
    predictions.write(directory.path / PREDICTIONS)
    part = "test" if config.trainer.test else "val"
    made.scores, made.uncertainty = predictions.scores(), predictions.uncertainty(part)
    save_models(directory.path, made, task, config)

    # --- summary ---
    for role in scored:
        describe_no_better(console, task.spec, role, results[role]["val"][task.spec.metric], made.floors)
        fitted = {"student": made.fitted, "alone": made.alone}.get(role)
        describe_spread(console, task.spec, role, predictions.spread(role), fitted)
    figures = learning_curves(directory.path, task.spec.metric) if made.models else []
    summary = summarise(runtime, config, task, made, results, seconds.total)
    notices = list(console.notices)
    directory.write_summary(summary)
    log_results(tracker, config.tracker, directory.path, summary, results, figures)
    print_each_teacher(console, task.spec.metric, made.each)
    console.result_table(task.spec, by_floor(made.floors, config) | results, directory.path, made.uncertainty)
    tracker.finish()
    if tracker.where:
        console.say(tracker.where)
    if console.notices != notices:  # the tracker's last words
        directory.write_summary(summary | {"notices": console.notices})
    examine(FinishedRun(directory.path, config, summary), task, console)
    return value


def save_models(folder: Path, made: Made, task: GraphTask, config: TrainConfig) -> None:
    """Write the student, and the one that was trained without a teacher, as far as there are any."""
    if "student" in made.models:
        seen = Seen.in_training(task, taught_nodes(made.outputs))
        save_student(folder, made.models["student"], task.spec, config, task.pipeline, seen, task.columns)
    if "alone" in made.models:
        checkpoint.save(folder / ALONE, {"model": made.models["alone"].state_dict()})


@contextmanager
def keeping_failure(directory: RunDirectory, console: Console) -> Iterator[None]:
    """Within it an error is written to the run's failed.json and console.log, and raised again."""
    try:
        yield
    except (Exception, SystemExit) as error:
        console.log(f"Failed: {error}")
        with suppress(UserError):  # the disk may be what has failed
            write_failure(directory.path, error)
        raise


@contextmanager
def as_interrupted() -> Iterator[None]:
    """Within it an error that another process of the run has ended stops this one, too: the run can be resumed."""
    try:
        yield
    except RuntimeError as error:
        if not ranks.is_loss_of_another(error):
            raise
        raise Interrupted("the end of another process of this run") from error


def check_data(directory: RunDirectory, task: GraphTask) -> None:
    """Raise UserError where a resumed run finds other data than it started with."""
    if directory.facts.setdefault("data", task.fingerprint) != task.fingerprint:
        raise UserError(f"{directory.path}: the data have changed since this run started. Start a new run.")


def write_split(directory: RunDirectory, task: GraphTask) -> None:
    """Write which graphs, or at node level which nodes of the data, are in which part."""
    parts = {part: getattr(task.splits, part) for part in split_sizes(task)}
    if task.nodes is not None:
        parts = {part: task.nodes[rows] for part, rows in parts.items()}
    checkpoint.save_tensors(directory.path / SPLIT, parts)


def examine(run: FinishedRun, task: GraphTask, console: Console) -> None:
    """Probes and profiles of the finished models, as far as they are asked for at the end of a run."""
    config, probe = run.config, run.config.probe
    if probe.at_end:
        probe_run(run, probe, config.paths, console, own_modules=True, task=task)
    if probe.profiles_at_end or (probe.at_end and probe.profiles):
        profile_run(run, probe, config.paths, console, own_modules=True, task=task)
        console.say(f"What reaches a node, from how far: {report_command(run.folder)}")
