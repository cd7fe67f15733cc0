"""Students with random weights, saved as a run leaves them, for tests of exports."""

from dataclasses import replace
from pathlib import Path

import torch
from small_tasks import awaken, make_spec, preset

from gnn_distill.config.schema.data import DatasetConfig
from gnn_distill.config.schema.run import TrainConfig, TrainerConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.molecules_ogb import CODINGS
from gnn_distill.data.task import TaskSpec
from gnn_distill.models import build_student
from gnn_distill.models.predictor import Predictor
from gnn_distill.predict import load, save_student


def student(
    folder: Path, name: str, spec: TaskSpec, pipeline: InputPipeline | None = None, **encoding: object
) -> Predictor:
    """A student with random weights, as a run leaves it."""
    config = TrainConfig(
        dataset=DatasetConfig(),
        teacher=TeacherConfig(name="none"),
        student=preset("student", name, hidden_channels=8, num_layers=2, num_heads=2),
        encoding=preset("encoding", "none", **encoding),
        trainer=TrainerConfig(max_pairs=10_000),
    )
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    save_student(folder, awaken(build_student(config.student, config.encoding, spec)), spec, config, pipeline)
    return load(folder)


def molecules(kind: str = "regression", coding: str = "pyg") -> TaskSpec:
    atoms, bonds = CODINGS[coding]
    return replace(make_spec(kind), node_features=atoms, edge_features=bonds, molecules=True)
