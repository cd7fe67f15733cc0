"""Names of a run: on the console, in the tracker, and of its folder."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import DatasetConfig
    from gnn_distill.config.schema.run import TrainConfig
    from gnn_distill.config.schema.teacher import TeacherConfig


def run_name(config: "TrainConfig") -> str:
    """`graphormer<-gin nci1 s0`; with several teachers `graphormer<-gin+gat x3 nci1 s0`."""
    teacher = config.teacher
    models = models_of(config.student.name, "+".join([teacher.name, *teacher.also]), teacher.control)
    times = f" x{teacher.ensemble}" if teacher.ensemble > 1 else ""
    return f"{'<-'.join(models)}{times} {title(config.dataset).lower()} s{config.seed}"


def teacher_roles(teacher: "TeacherConfig") -> list[str]:
    """How files and messages of a run call its teachers: teacher, teacher_2, teacher_3, …"""
    count = teacher.ensemble * (1 + len(teacher.also))
    return ["teacher", *(f"teacher_{number}" for number in range(2, count + 1))]


def title(dataset: "DatasetConfig") -> str:
    """A data set's name as people read it; for a CSV file without a name, the name of the file."""
    return title_of(dataset.source, dataset.name, getattr(dataset, "path", None))


def title_of(source: str, name: str, path: str | None) -> str:
    """The same from its parts; as `${title:…}` it names the folder of a run."""
    return Path(path).stem if path and (source, name) == ("smiles", "smiles") else name


def models_of(student: str, teacher: str, control: str) -> list[str]:
    """The student, then its teacher (with control=self its twin), without those that are none; floors: both are."""
    return [name for name in (student, student if control == "self" else teacher) if name != "none"] or ["floors"]


def folder_of_comparison(given: list[str]) -> str:
    """`esol`, with other words than the data set also a hash of them: `${comparison:…}` of conf/compare.yaml.

    A CSV file of molecules is called by its name.
    """
    words = dict(word.partition("=")[::2] for word in given)
    name = words.pop("dataset", "default")
    name = title_of(name, name, words.get("dataset.path"))
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:8]
    return f"{name}-{digest}" if words else name


def folder_of_models(student: str, teacher: str, control: str) -> str:
    """`graphormer-gin`: `${models:…}` of conf/train.yaml, since a shell would read `<-` as a redirection."""
    return "-".join(models_of(student, teacher, control))
