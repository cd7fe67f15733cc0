"""Rules of `gnn-distill train` about several teachers."""

from collections.abc import Callable, Iterable

from omegaconf import DictConfig

from gnn_distill.config.plugins import check_module_path, names_of_modules
from gnn_distill.errors import refuse, suggest

OF_ONE_KIND = ("custom", "file")
"""Teachers with keys that no other kind reads."""


def several(teacher: DictConfig) -> tuple[str, str] | None:
    """The key, with its value, that asks for more than one teacher; None where there is one."""
    if teacher.also:
        return "teacher.also", f"[{','.join(teacher.also)}]"
    return ("teacher.ensemble", str(teacher.ensemble)) if teacher.ensemble > 1 else None


def kinds_exist(cfg: DictConfig) -> None:
    """Every further kind is a teacher, with keys that it shares with the first, and another than all before."""
    known, teacher = [name for name in names_of_modules("teacher.name") if name not in OF_ONE_KIND], cfg.teacher
    for number, name in enumerate(teacher.also):
        if name == "custom" or teacher.name == "custom":
            raise refuse(
                *several(teacher), "the keys of teacher=custom describe one class. Give yours as a module with build "
                "(docs/extending.md), whose name may stand here, or use teacher.ensemble.",
            )  # fmt: skip
        if name in (teacher.name, *teacher.also[:number]):
            raise refuse(*several(teacher), f"{name} is named twice. Several of one kind: teacher.ensemble=2.")
        if name in known:
            continue
        if "." not in name:
            raise refuse("teacher.also", name, f"unknown choice. Choices: {', '.join(known)}.{suggest(name, known)}")
        check_module_path("teacher.also", name)


def several_can_teach(cfg: DictConfig) -> None:
    """Nothing is asked of several teachers that one alone can give."""
    teacher = cfg.teacher
    if not (asked := several(teacher)):
        return
    if teacher.name == "none":
        raise refuse(*asked, "needs a teacher. Choose one, as in teacher=gin.")
    if teacher.checkpoint is not None:
        raise refuse(*asked, "teacher.checkpoint holds the weights of one teacher. Set teacher.checkpoint=null.")
    if teacher.outputs_file is not None:
        raise refuse(*asked, "teacher.outputs_file holds the outputs of one teacher. Set teacher.outputs_file=null.")
    if teacher.control == "self" and teacher.also:
        raise refuse(
            *asked,
            "with teacher.control=self the student's twin takes the place of every GNN. Set teacher.also=[]; several "
            "twins: teacher.ensemble=2.",
        )
    if cfg.alignment.reuse_head and cfg.student.name != "none":
        raise refuse(
            "alignment.reuse_head",
            "true",
            f"{asked[0]}={asked[1]}: each of several teachers has a head of its own, and a student can predict with "
            "one only. Set alignment.reuse_head=false, or use one teacher.",
        )


TEACHERS_RULES: Iterable[Callable[[DictConfig], None]] = (kinds_exist, several_can_teach)
