"""Rules of `gnn-distill train` about `signals.give`: no term asks for what the teacher does not give."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.schema.fields import reading
from gnn_distill.errors import refuse

GIVEN = {
    "nodes": ("nodes", "subgraphs", "graphs", "logits"),
    "subgraphs": ("subgraphs", "graphs", "logits"),
    "graphs": ("graphs", "logits"),
    "logits": ("logits",),
}
"""What may be read of the teacher, by signals.give."""
CALLED = {
    "nodes": "node states",
    "subgraphs": "means over subgraphs",
    "graphs": "graph states",
    "logits": "predictions",
}
ENOUGH = {"subgraphs": "regime=subgraph_states", "graphs": "regime=graph_states", "logits": "loss=kd"}
"""A choice that asks for nothing else."""
REMEDIES = {
    "loss.micro.attention_target": "Choose propagation, which reads no teacher",
    "alignment.reuse_head": "Set it to false",
    "loss.own": "Read what is given",
}
"""What to do about keys, or sections, that are no weights."""


def only_what_is_given_is_asked(cfg: DictConfig) -> None:
    """Every term finds what it reads of the teacher."""
    give = cfg.signals.give
    if "none" in (cfg.teacher.name, cfg.student.name):
        return
    for key, value, reads in asked_of_teacher(cfg):
        if reads not in GIVEN[give]:
            remedy = REMEDIES.get(key, REMEDIES.get(key.rsplit(".", 2)[0], "Set it to 0"))
            given = ", ".join(CALLED[part] for part in GIVEN[give])
            raise refuse(
                key,
                value,
                f"needs {CALLED[reads]} of the teacher, but signals.give={give} leaves only {given}. {remedy}, choose "
                f"{ENOUGH[give]}, which asks for nothing else, or set signals.give={reads}.",
            )
    if give == "subgraphs" and cfg.loss.baseline.mugsi_cluster and cfg.alignment.source != "cluster":
        raise refuse(
            "alignment.source",
            cfg.alignment.source,
            "loss.baseline.mugsi_cluster reads clusters, and with signals.give=subgraphs the teacher gives no others "
            "than these. Choose cluster, or set loss.baseline.mugsi_cluster=0.",
        )


def teacher_of_a_file_is_complete(cfg: DictConfig) -> None:
    """A teacher known by its outputs alone has a file of them, and is asked for nothing else."""
    teacher, file = cfg.teacher, cfg.teacher.outputs_file
    if teacher.name != "file":
        if file is not None:
            raise refuse("teacher.outputs_file", file, f"teacher={teacher.name} does not read it. Set teacher=file.")
        return
    if "signals" not in cfg:
        raise refuse("teacher", "file", "knows no graphs but those of its file. Choose a model, as in teacher=gin.")
    if file is None:
        raise refuse("teacher.outputs_file", None, "teacher=file needs one. Set teacher.outputs_file=teacher.npz.")
    if not Path(file).is_file():
        raise refuse("teacher.outputs_file", file, "this file does not exist.")
    if teacher.checkpoint is not None:
        raise refuse("teacher.checkpoint", teacher.checkpoint, "teacher=file has no weights. Set it to null.")
    if teacher.control in ("untrained", "self"):
        raise refuse("teacher.control", teacher.control, "teacher=file has no model. Choose none or shuffled.")
    if cfg.signals.give in ("nodes", "subgraphs") and cfg.student.name != "none":
        raise refuse(
            "signals.give",
            cfg.signals.give,
            "teacher=file has no node states. Choose regime=graph_states, or loss=kd signals.give=logits.",
        )


def stored_layers_are_given(cfg: DictConfig) -> None:
    """Layers are chosen only where node states are stored."""
    if cfg.signals.give != "nodes" and cfg.signals.layers != "auto":
        raise refuse(
            "signals.layers", cfg.signals.layers, f"signals.give={cfg.signals.give} stores no node states. Choose auto."
        )


def asked_of_teacher(cfg: DictConfig) -> Iterator[tuple[str, Any, str]]:
    """Key, value, and what of the teacher it reads, for all that the objective asks for."""
    loss, align = cfg.loss, cfg.alignment
    sections = {
        "alignment.weights": (align.weights, 1.0),
        "loss.micro": (loss.micro, loss.weights.micro),
        "loss.macro": (loss.macro, loss.weights.macro),
        "loss.baseline": (loss.baseline, 1.0),
    }
    for name, (section, factor) in sections.items():
        for key, reads in reading(OmegaConf.get_type(section)).items():
            if factor * section[key] and reads:
                yield f"{name}.{key}", section[key], reads
    if loss.weights.micro * loss.micro.attention and loss.micro.attention_target != "propagation":
        yield "loss.micro.attention_target", loss.micro.attention_target, "nodes"
    for name, own in loss.own.items():
        if own.weight:
            yield f"loss.own.{name}.reads", own.reads, own.reads
    if align.reuse_head:
        yield "alignment.reuse_head", "true", "nodes"
