"""Rules of `gnn-distill train` about `signals.give`: no term asks for what the teacher does not give."""

from collections.abc import Iterator
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
