"""What a run is called: on the console, in the tracker, and in the name of its folder."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gnn_distill.schema.run import TrainConfig


def run_name(config: "TrainConfig") -> str:
    """`graphormer<-gin nci1 s0`."""
    models = models_of(config.student.name, config.teacher.name, config.teacher.control)
    return f"{'<-'.join(models)} {config.dataset.name.lower()} s{config.seed}"


def models_of(student: str, teacher: str, control: str) -> list[str]:
    """The student, then its teacher: the student's twin where it controls itself; one that there is not is left out."""
    return [name for name in (student, student if control == "self" else teacher) if name != "none"]


def folder_of_models(student: str, teacher: str, control: str) -> str:
    """`graphormer-gin`: `${models:…}` of conf/train.yaml, since a shell would take `<-` for a redirection."""
    return "-".join(models_of(student, teacher, control))
