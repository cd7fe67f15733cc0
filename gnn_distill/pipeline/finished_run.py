"""A finished run, read from its folder: its settings, its data, and its models, with fresh twins of them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import nn

from gnn_distill.analysis.states import Subject
from gnn_distill.config.schema import SCHEMAS
from gnn_distill.config.schema.data import DatasetConfig, PathsConfig
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.data.reading.loading import load_task
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError, reading_foreign
from gnn_distill.models import build_student
from gnn_distill.pipeline.teacher_plan import plan_teacher
from gnn_distill.predict import load
from gnn_distill.results.run_files import CONFIG, inert
from gnn_distill.storage import checkpoint
from gnn_distill.storage.bounded import read_yaml
from gnn_distill.storage.run_directory import ALONE, REPEAT_RUN, SUMMARY, read_summary, verify_run

TEACHER = "checkpoints/teacher.safetensors"
MODULES = ("dataset.source", "teacher.name", "student.name")
"""Keys that may name a module of the user's, which reading a run would execute."""


@dataclass(frozen=True)
class FinishedRun:
    """A finished run."""

    folder: Path
    config: TrainConfig
    summary: dict
    """summary.json."""
    loaded: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Its data and models, once `load_once` has loaded them."""


def read_finished_run(folder: Path | str, own_modules: bool = False, own_key: str = "own_modules") -> FinishedRun:
    """The settings and the summary of a finished run.

    own_modules: run the user's modules that it names. own_key: the key that sets it.

    Raises:
        UserError: if the folder holds no finished run, its files are damaged, or it needs modules of the user's.
    """
    folder = Path(folder)
    if not (folder / SUMMARY).is_file():
        raise UserError(f"{folder}: no finished run is here ({SUMMARY} is missing). Name the folder of a run.")
    summary = read_summary(folder)
    with reading_foreign(folder / CONFIG, REPEAT_RUN):
        verify_run(folder, CONFIG.as_posix())
        config = config_of(folder)
    own = [f"{key}={name}" for key in MODULES if "." in (name := OmegaConf.select(OmegaConf.structured(config), key))]
    own += [f"teacher.also={name}" for name in config.teacher.also if "." in name]
    if config.teacher.target:
        own.append(f"teacher.target={config.teacher.target}")
    if own and not own_modules:
        raise UserError(
            f"{folder}: this run uses modules that are not this package's ({', '.join(own)}), and reading it runs "
            f"them. If you trust them: {own_key}=true."
        )
    return FinishedRun(folder, config, summary)


def config_of(folder: Path) -> TrainConfig:
    """The settings in .hydra/config.yaml; keys that were added later have their defaults."""
    values = OmegaConf.create(inert(read_yaml(folder / CONFIG, folder, REPEAT_RUN)))
    schema = OmegaConf.structured(TrainConfig)
    kind = SCHEMAS.get(f"dataset/{values.dataset.source}", SCHEMAS["dataset/nodes"])
    if not {*values.dataset} <= {*kind.__dataclass_fields__}:
        kind = next((known for known in _data_sets() if {*values.dataset} <= {*known.__dataclass_fields__}), kind)
    schema.dataset = OmegaConf.structured(kind)
    return OmegaConf.to_object(OmegaConf.merge(schema, values))


def _data_sets() -> list[type[DatasetConfig]]:
    return [kind for path, kind in SCHEMAS.items() if path.startswith("dataset/")]


def load_data(run: FinishedRun, paths: PathsConfig | None = None) -> GraphTask:
    """The data of a run, read again. Raises UserError if they are no longer what it was trained on."""
    task = load_task(run.config.dataset, paths or run.config.paths)
    if run.summary.get("data") != task.fingerprint:
        raise UserError(f"{run.folder}: its data have changed since it was trained. Repeat the run.")
    return task


def load_once(
    run: FinishedRun, paths: PathsConfig, own_modules: bool = False, task: GraphTask | None = None
) -> tuple[GraphTask, dict[str, Subject]]:
    """Data and models of a run: loaded at the first call, the same at later ones. task: the data, if at hand.

    Raises:
        UserError: as `load_data` and `load_models`.
    """
    if not run.loaded:
        task = load_data(run, paths) if task is None else task
        run.loaded.update(task=task, models=load_models(run, task, own_modules))
    return run.loaded["task"], run.loaded["models"]


def load_models(run: FinishedRun, task: GraphTask, own_modules: bool = False) -> dict[str, Subject]:
    """The run's models by role: teacher (of several the first), student alone and student, as far as it has them.

    Raises:
        UserError: if their files are damaged or missing.
    """
    config, models = run.config, {}
    with torch.random.fork_rng(devices=[]):
        if config.teacher.name not in ("none", "file"):  # outputs from a file are no model
            models["teacher"] = _teacher(run, task)
        if config.student.name != "none":
            predictor = load(run.folder, own_module=own_modules)
            build = partial(build_student, config.student, config.encoding, task.spec)
            alone = {"alone": _restored(run, build, ALONE)} if (run.folder / ALONE).is_file() else {}
            read = (config.encoding, build, predictor.max_pairs, predictor.patching)
            for role, model in (alone | {"student": predictor.student}).items():
                models[role] = Subject(model.requires_grad_(False), *read)
    return models


def _teacher(run: FinishedRun, task: GraphTask) -> Subject:
    config = run.config
    config = replace(config, teacher=replace(config.teacher, checkpoint=None))  # its weights are in the run
    plan = plan_teacher(config, task)
    build = partial(plan.build, task.spec)
    model = _restored(run, build, TEACHER).requires_grad_(False)
    return Subject(model, plan.encoding, build, plan.recipe.max_pairs, plan.patching)


def _restored(run: FinishedRun, build: Callable[[], nn.Module], name: str) -> nn.Module:
    """A model with the weights that the run saved for it in the file `name`."""
    file = run.folder / name
    if not file.is_file():
        raise UserError(f"{run.folder}: its file {name} is missing. {REPEAT_RUN}")
    with reading_foreign(file, REPEAT_RUN):
        verify_run(run.folder, name)
        model = build()
        model.load_state_dict(checkpoint.load(file, remedy=REPEAT_RUN)["model"])
    return model.eval()
