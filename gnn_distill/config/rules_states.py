"""Rules of `gnn-distill train` about students without states of nodes, or with states of patches."""

from omegaconf import DictConfig

from gnn_distill.config.capabilities import capabilities_of, students_who
from gnn_distill.config.rules_given import asked_of_teacher
from gnn_distill.errors import UserError, refuse


def states_are_there(cfg: DictConfig) -> None:
    """The student has the states that terms compare: of nodes, or of patches."""
    teacher, student, align = cfg.teacher, cfg.student, cfg.alignment
    if "none" in (teacher.name, student.name):
        return
    can = capabilities_of(student.name)
    if align.weights.subgraph and align.source == "patch":
        _patches_are_there(cfg)
    if can.node_states:
        return
    asked: dict[str, object] = {}
    for key, _, reads in asked_of_teacher(cfg):
        if reads in ("nodes", "subgraphs"):
            asked |= _remedy(key, cfg)
    if cfg.loss.weights.soft * cfg.loss.soft.exits:
        asked["loss.soft.exits"] = 0
    if asked:
        remedy = " ".join(f"{key}={value}" for key, value in asked.items())
        raise UserError(
            f"{', '.join(asked)}: student={student.name} has no states of nodes, which "
            f"{'this compares' if len(asked) == 1 else 'these compare'}. Set {remedy}, or choose "
            f"{students_who(node_states=True)}."
        )


def _patches_are_there(cfg: DictConfig) -> None:
    student = cfg.student.name
    can = capabilities_of(student)
    if not can.reads_patches:
        raise refuse(
            "alignment.source",
            "patch",
            f"student={student} has no patches. Choose ego, walk, cluster or fragment, or "
            f"{students_who(reads_patches=True)}.",
        )
    if cfg.signals.give == "subgraphs":
        raise refuse(
            "signals.give",
            "subgraphs",
            "means over patches are taken of node states, which would not be stored. Set it to nodes, or "
            "alignment.weights.subgraph=0.",
        )
    if cfg.teacher.control == "self" and not can.node_states:
        raise refuse(
            "alignment.weights.subgraph",
            cfg.alignment.weights.subgraph,
            f"teacher.control=self: the teacher is student={student} itself, without states of nodes whose mean "
            "over a patch could be matched. Set it to 0.",
        )


def _remedy(key: str, cfg: DictConfig) -> dict[str, object]:
    """What to set so that what `key` asks for is not asked of nodes; nothing where patches are."""
    if key == "alignment.weights.subgraph" and cfg.alignment.source == "patch":
        return {}
    if key == "alignment.weights.subgraph" and capabilities_of(cfg.student.name).reads_patches:
        return {"alignment.source": "patch"}
    if key == "loss.micro.attention_target":
        return {"loss.micro.attention": 0}
    if key == "alignment.reuse_head":
        return {key: "false"}
    return {key: "graphs" if key.startswith("loss.own.") else 0}
