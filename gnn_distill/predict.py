"""The student of a finished run, ready to predict, without its teacher (except for a reused head) or projections."""

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from gnn_distill.config.capabilities import capabilities_of
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.data.assembly.input_pipeline import InputPipeline
from gnn_distill.data.assembly.seen import Seen
from gnn_distill.data.subgraphs.patching import patching_of
from gnn_distill.data.task import METRICS, DataColumns, TaskSpec
from gnn_distill.errors import UserError, reading_foreign, warn_caller
from gnn_distill.models import build_student
from gnn_distill.models.extent import check_depth, check_extent
from gnn_distill.models.predictor import Predictor
from gnn_distill.models.reused_head import ReusingStudent, rebuild
from gnn_distill.storage import checkpoint
from gnn_distill.storage.bounded import read_yaml
from gnn_distill.storage.checksums import read_json, write_json
from gnn_distill.storage.run_directory import REPEAT_RUN

WEIGHTS, SETTINGS, CONFIG = "student.safetensors", "student.json", ".hydra/config.yaml"
HUB_WEIGHTS, HUB_SETTINGS, HUB_CONFIG = "model.safetensors", "config.json", "run_config.yaml"
"""Their names in a model repository, as `gnn-distill export format=hub` writes it."""
MOST_HOPS = 1000
T = TypeVar("T")


def save_student(
    run_dir: Path,
    student: nn.Module,
    spec: TaskSpec,
    config: TrainConfig,
    pipeline: InputPipeline | None = None,
    seen: Seen | None = None,
    columns: DataColumns | None = None,
) -> None:
    """Write the student's weights and the settings with which `load` rebuilds it and reads graphs as in training."""
    settings = {
        "spec": spec.to_dict(),
        "student": asdict(config.student),
        "encoding": asdict(config.encoding),
        "max_pairs": config.trainer.max_pairs,
        "input": (pipeline or InputPipeline.implied_by(spec)).to_dict(),
        "seen": (seen or Seen()).to_dict(),
    }
    if columns is not None:
        settings["columns"] = asdict(columns)
    if isinstance(student, ReusingStudent):
        settings["reuse_head"] = student.settings
    write_json(run_dir / SETTINGS, settings)
    checkpoint.save_tensors(run_dir / WEIGHTS, student.state_dict())


def load(run_dir: str | Path, own_module: bool = False, device: torch.device | str = "cpu") -> Predictor:
    """The student of a finished run directory, or of a model repository made by `gnn-distill export format=hub`.

    own_module: import the student's module even if it is not one of this package, which executes it. device: where it
    computes; predictions are returned on the CPU.

    Raises UserError if the folder contains no finished run, its files are damaged or were not written by a run, or the
    device cannot be used.
    """
    run_dir = Path(run_dir)
    file, weights_file = run_dir / SETTINGS, run_dir / WEIGHTS
    if not weights_file.is_file() and (run_dir / HUB_WEIGHTS).is_file():
        file, weights_file = run_dir / HUB_SETTINGS, run_dir / HUB_WEIGHTS
    if not weights_file.is_file() or not file.is_file():
        raise UserError(f"{run_dir}: no finished run found here ({WEIGHTS} and {SETTINGS} are required).")
    with reading_foreign(file, REPEAT_RUN):
        settings = read_json(file, REPEAT_RUN)
    with reading_foreign(weights_file, REPEAT_RUN):
        weights = checkpoint.load_tensors(weights_file, remedy=REPEAT_RUN, folder=run_dir)
    with reading_foreign(file, REPEAT_RUN), torch.random.fork_rng(devices=[]):
        predictor = _rebuilt(file, settings, weights, own_module)
        predictor.rehearse()
    if "input" not in settings and not predictor.spec.molecules:
        warn_caller(
            f"{file}: an older version did not record how raw graphs are prepared (reverse edges, "
            "normalised features, …): graphs are used unchanged."
        )
    return predictor.to(device)


def _rebuilt(file: Path, settings: dict[str, Any], weights: dict[str, Tensor], own_module: bool) -> Predictor:
    config, encoding = _section(StudentConfig, settings["student"]), _section(EncodingConfig, settings["encoding"])
    own, can = "." in config.name, capabilities_of(config.name)
    if own and not own_module:
        raise UserError(
            f"{file}: this student is a custom module, {config.name}, and loading it runs "
            "that module. If you trust it: own_modules=true, in Python load(run_dir, own_module=True)."
        )
    spec = TaskSpec.from_dict(settings["spec"])
    if spec.kind not in METRICS or spec.level not in ("graph", "node"):
        raise ValueError(f"a task of kind {spec.kind} and level {spec.level}")

    def build() -> nn.Module:
        student, reuse = build_student(config, encoding, spec), settings.get("reuse_head")
        return rebuild(student, spec, weights, reuse) if reuse else student

    if max(config.hops, config.patch_hops) > MOST_HOPS:
        raise ValueError(f"{max(config.hops, config.patch_hops)} hops")
    if not own:
        layers = (config.num_layers, config.global_layers, config.gnn_layers if can.reads_patches else 0)
        check_depth(file, max(layers), weights)
        check_extent(file, build, weights)
    student = build()
    student.load_state_dict(weights)
    pipeline = InputPipeline.from_dict(settings["input"]) if "input" in settings else None
    seen = Seen(**settings.get("seen", {}))
    columns = DataColumns(**settings["columns"]) if "columns" in settings else _columns_of_config(file.parent)
    about = (pipeline, seen, columns, patching_of(config, spec))
    return Predictor(student, spec, encoding, settings["max_pairs"], can, *about)


def _columns_of_config(run_dir: Path) -> DataColumns:
    """The columns of the training data that the run's config names; earlier versions did not record those found."""
    file = next((path for name in (CONFIG, HUB_CONFIG) if (path := run_dir / name).is_file()), None)
    if file is None:
        return DataColumns()
    with reading_foreign(file, REPEAT_RUN):
        dataset = OmegaConf.to_container(read_yaml(file, run_dir, REPEAT_RUN)).get("dataset", {})
        smiles, targets = dataset.get("smiles_column"), dataset.get("target_columns") or []
        columns = DataColumns(smiles=smiles if isinstance(smiles, str) else None)
        return replace(columns, target=str(targets[0])) if len(targets) == 1 else columns


def _section(schema: type[T], values: dict[str, Any]) -> T:
    """A section of the config with checked types; keys added later have their defaults."""
    made = schema(**values)
    for field in fields(schema):
        value, kinds = getattr(made, field.name), (int, float) if field.type is float else field.type
        if field.type is not Any and (not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool)):
            raise TypeError(f"{field.name}={value!r}")
    return made
