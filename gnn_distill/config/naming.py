"""What a run is called: on the console, in the tracker, and in the name of its folder."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import DatasetConfig
    from gnn_distill.config.schema.run import TrainConfig


def run_name(config: "TrainConfig") -> str:
    """`graphormer<-gin nci1 s0`."""
    models = models_of(config.student.name, config.teacher.name, config.teacher.control)
    return f"{'<-'.join(models)} {title(config.dataset).lower()} s{config.seed}"


def title(dataset: "DatasetConfig") -> str:
    """What a data set is called where people read of it: by the name of its file, if it is a CSV without a name."""
    return title_of(dataset.source, dataset.name, getattr(dataset, "path", None))


def title_of(source: str, name: str, path: str | None) -> str:
    """The same; as `${title:…}` it names the folder of a run."""
    return Path(path).stem if path and (source, name) == ("smiles", "smiles") else name


def models_of(student: str, teacher: str, control: str) -> list[str]:
    """The student, then its teacher: the student's twin where it controls itself; one that there is not is left out."""
    return [name for name in (student, student if control == "self" else teacher) if name != "none"]


def folder_of_models(student: str, teacher: str, control: str) -> str:
    """`graphormer-gin`: `${models:…}` of conf/train.yaml, since a shell would take `<-` for a redirection."""
    return "-".join(models_of(student, teacher, control))
