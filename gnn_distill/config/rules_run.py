"""Rules of `gnn-distill train` that join several keys of its config."""

import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.capabilities import capabilities_of, students_who
from gnn_distill.config.node_families import sources
from gnn_distill.config.plugins import MODULES, check_module_path, names_of_modules
from gnn_distill.config.rules_given import teacher_of_a_file_is_complete
from gnn_distill.config.rules_objective import OBJECTIVE_RULES
from gnn_distill.config.rules_sampling import SAMPLING_RULES
from gnn_distill.config.rules_separate import SEPARATE_RULES, has_labels
from gnn_distill.config.rules_teachers import TEACHERS_RULES
from gnn_distill.config.schema.data import SAVED_GRAPHS, SMILES_LINES, SMILES_TABLE
from gnn_distill.config.schema.molecules import SmilesConfig
from gnn_distill.errors import UserError, check_name, refuse, suggest


def module_choices(key: str) -> list[str]:
    """What a key that names a module may be set to, the user's modules left out; none is imported."""
    return sources() if key == "dataset.source" else [*names_of_modules(key), "none"]


def _modules_exist(cfg: DictConfig, keys: Iterable[str] = tuple(MODULES)) -> None:
    for key in keys:
        name, choices = OmegaConf.select(cfg, key), module_choices(key)
        if name in choices:
            continue
        if "." not in name:  # with a dot: the user's own
            raise refuse(key, name, f"unknown choice. Choices: {', '.join(choices)}.{suggest(name, choices)}")
        check_module_path(key, name)


def _heads_divide_width(cfg: DictConfig) -> None:
    sections = {"student.num_heads": cfg.student}
    if "gat" in (cfg.teacher.name, *cfg.teacher.also):
        sections["teacher.heads"] = cfg.teacher
    for key, section in sections.items():
        heads, width = OmegaConf.select(cfg, key), section.hidden_channels
        if width % heads:
            divisors = ", ".join(str(number) for number in range(1, min(width, 64) + 1) if width % number == 0)
            name = f"{key.split('.')[0]}.hidden_channels={width}"
            raise refuse(key, heads, f"must divide {name}. Choices for that width: {divisors}.")


def _custom_teacher_is_complete(cfg: DictConfig) -> None:
    teacher = cfg.teacher
    if teacher.target is None and teacher.name == "custom":
        raise refuse("teacher.target", None, "teacher=custom needs a class. Set teacher.target=my_package.MyGNN.")
    if teacher.target is not None and teacher.name != "custom":
        raise refuse("teacher.target", teacher.target, f"teacher={teacher.name} does not read it. Set teacher=custom.")
    if teacher.checkpoint is not None and not Path(teacher.checkpoint).is_file():
        raise refuse("teacher.checkpoint", teacher.checkpoint, "this file does not exist.")


def _own_keys_have_readers(cfg: DictConfig) -> None:
    """Arguments for modules of the user's own: this package's would ignore them without an error."""
    teacher = cfg.teacher
    if teacher.name != "custom" and "." not in teacher.name:
        for name in ("kwargs", "node_states", "graph_state"):
            if teacher[name]:
                raise refuse(
                    f"teacher.{name}", teacher[name], f"teacher={teacher.name} does not read it. Set teacher=custom."
                )
    if cfg.dataset.kwargs and "." not in cfg.dataset.source:
        raise refuse("dataset.kwargs", cfg.dataset.kwargs, f"dataset.source={cfg.dataset.source} does not read it.")


def _control_has_its_models(cfg: DictConfig) -> None:
    control = cfg.teacher.control
    if control == "none":
        return
    if cfg.teacher.name == "none":
        raise refuse("teacher.control", control, "needs a teacher. Choose one, as in teacher=gin.")
    if control == "self" and cfg.student.name == "none":
        raise refuse(
            "teacher.control",
            "self",
            "the teacher is the student's twin, so a student is needed. Choose one, as in student=graphormer.",
        )
    if control == "self" and cfg.teacher.checkpoint is not None:
        raise refuse(
            "teacher.checkpoint",
            cfg.teacher.checkpoint,
            "teacher.control=self trains its own teacher. Set teacher.checkpoint=null.",
        )


def _ramps_are_sorted(cfg: DictConfig) -> None:
    for group, ramp in cfg.loss.schedule.items():
        if group == "form":
            continue
        times = [*ramp.enter, *ramp.leave]
        key = f"loss.schedule.{group}"
        if len(ramp.enter) != 2 or len(ramp.leave) != 2:
            raise UserError(
                f"{key}.enter={ramp.enter}, {key}.leave={ramp.leave}: must be two numbers each: [start, end]."
            )
        if times != sorted(times) or times[0] < 0 or times[-1] > 1:
            raise UserError(
                f"{key}.enter={ramp.enter}, {key}.leave={ramp.leave}: must be shares of the training between 0 and 1, "
                "in ascending order: start and end of the rise, then of the fall."
            )


def _pos_weight_is_known(cfg: DictConfig) -> None:
    value = cfg.task.pos_weight
    if value in ("none", "auto"):
        return
    try:
        weight = float(value)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise refuse(
            "task.pos_weight", value, f"must be none, auto or a number above 0.{suggest(value, ['none', 'auto'])}"
        )


def _data_set_is_consistent(cfg: DictConfig) -> None:
    dataset = cfg.dataset
    kind = OmegaConf.get_type(dataset)
    check_name("dataset.name", dataset.name, "the run directory's name")
    if dataset.fold >= dataset.folds:
        raise refuse(
            "dataset.fold",
            dataset.fold,
            f"folds are numbered 0 to {dataset.folds - 1} (dataset.folds={dataset.folds}).",
        )
    for least, most in (("min_nodes", "max_nodes"), ("min_size", "max_size")):
        if least in dataset and dataset[least] > dataset[most]:
            raise refuse(f"dataset.{least}", dataset[least], f"must be at most dataset.{most}={dataset[most]}.")
    if dataset.unlabelled is not None:
        path = Path(dataset.unlabelled).expanduser()
        if not path.is_file():
            raise refuse("dataset.unlabelled", dataset.unlabelled, "this file does not exist.")
        if path.suffix.lower() not in (endings := (SMILES_TABLE, SMILES_LINES, SAVED_GRAPHS)):
            raise refuse("dataset.unlabelled", dataset.unlabelled, f"its name must end in {', '.join(endings)}.")
    if issubclass(kind, SmilesConfig):
        path = Path(dataset.path).expanduser()
        if not path.is_file():
            what = "this is not a file" if path.exists() else "this file does not exist"
            near = [file.name for file in path.parent.glob("*.csv")] if path.parent.is_dir() else []
            told = f"{what}. Give the CSV file with your molecules.{suggest(path.name, near)}"
            raise refuse("dataset.path", dataset.path, told)


def _encoding_fits_student(cfg: DictConfig) -> None:
    name, encoding, can = cfg.student.name, cfg.encoding, capabilities_of(cfg.student.name)
    if can.needs_distances and not encoding.spd:
        others = students_who(reads_bias=True, needs_distances=False)
        raise refuse(
            "encoding.spd",
            encoding.spd,
            f"student={name} needs hop distances. Choose encoding=graphormer or encoding=all, or {others}.",
        )
    for key, what, off in (("spd", "hop distances", "false"), ("edge_hops", "edges along paths", "0")):
        if encoding[key] and not can.reads_bias:
            raise refuse(
                f"encoding.{key}",
                str(encoding[key]).lower(),
                f"student={name} does not read {what}, which take memory for all pairs of nodes. "
                f"Set encoding.{key}={off}, or choose {students_who(reads_bias=True)}.",
            )


def _student_has_the_chosen_parts(cfg: DictConfig) -> None:
    student, can = cfg.student, capabilities_of(cfg.student.name)
    if student.readout == "token" and not can.has_token:
        raise refuse("student.readout", "token", f"student={student.name} has no token. Choose mean or sum.")
    if student.local == "none" and can.needs_local:
        raise refuse(
            "student.local",
            "none",
            f"student={student.name} needs message passing. Choose gcn, gat, gine, gin or sage, or another student.",
        )


def _gradients_can_be_measured(cfg: DictConfig) -> None:
    balanced = cfg.loss.balance == "gradient"
    if balanced and not cfg.loss.weights.task:
        raise refuse("loss.balance", "gradient", "needs the gradient of the task. Set loss.weights.task above 0.")
    if cfg.trainer.precision == "16-mixed" and (balanced or cfg.debug.gradients):
        key, value = ("loss.balance", "gradient") if balanced else ("debug.gradients", "true")
        raise refuse(key, value, "gradients overflow at trainer.precision=16-mixed. Choose 32-true or bf16-mixed.")


def _folders_can_be_used(cfg: DictConfig) -> None:
    paths = cfg.paths
    # A complete data folder may be read-only; every run writes to the store.
    _check_folder("paths.data", Path(paths.data), must_write=not Path(paths.data).exists())
    _check_folder("paths.store", Path(paths.store), must_write=True)
    if (mirror := paths.mirror) is not None and not Path(mirror).is_dir():
        raise refuse(
            "paths.mirror", mirror, "this folder does not exist. Correct it (or the variable "
            "GNN_DISTILL_MIRROR), or use no mirror: paths.mirror=null."
        )  # fmt: skip


def _check_folder(key: str, path: Path, must_write: bool) -> None:
    existing = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    if not existing.is_dir():
        why = f"{existing} is a file"
    elif must_write and not os.access(existing, os.W_OK | os.X_OK):
        why = f"{existing} is read-only"
    else:
        return
    raise refuse(key, path, f"this folder cannot be written to: {why}. Choose another: {key}=…")


def _devices_can_be_counted(cfg: DictConfig) -> None:
    devices = cfg.trainer.devices
    if devices != "auto" and not (devices.isdecimal() and int(devices)):
        raise refuse("trainer.devices", devices, "must be auto or a whole number, at least 1.")


def _accelerator_is_here(cfg: DictConfig) -> None:
    accelerator = cfg.trainer.accelerator
    if accelerator in ("auto", "cpu"):
        return
    import torch  # takes seconds: only where a device was named

    here = {"auto": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not here[accelerator]:
        choices = ", ".join(name for name, usable in here.items() if usable)
        raise refuse("trainer.accelerator", accelerator, f"not available on this machine. Choices here: {choices}.")


def _models_exist(cfg: DictConfig) -> None:
    _modules_exist(cfg, ("teacher.name", "student.name"))


def _chosen_student_is_complete(cfg: DictConfig) -> None:
    if cfg.student.name != "none":
        _encoding_fits_student(cfg)
        _student_has_the_chosen_parts(cfg)


RULES_OF_SEPARATE: Iterable[Callable[[DictConfig], None]] = (
    *SEPARATE_RULES,
    _models_exist,
    _heads_divide_width,
    _custom_teacher_is_complete,
    teacher_of_a_file_is_complete,
    _chosen_student_is_complete,
    _folders_can_be_used,
)
TRAIN_RULES: Iterable[Callable[[DictConfig], None]] = (
    has_labels,
    _modules_exist,
    *TEACHERS_RULES,
    _heads_divide_width,
    _custom_teacher_is_complete,
    _own_keys_have_readers,
    _control_has_its_models,
    _ramps_are_sorted,
    _pos_weight_is_known,
    _data_set_is_consistent,
    _encoding_fits_student,
    _student_has_the_chosen_parts,
    *OBJECTIVE_RULES,
    *SAMPLING_RULES,
    _gradients_can_be_measured,
    _folders_can_be_used,
    _devices_can_be_counted,
    _accelerator_is_here,
)
