"""Rules of `gnn-distill train` about reading one large graph in parts (trainer.sampler)."""

from omegaconf import DictConfig

from gnn_distill.config.capabilities import capabilities_of, students_who
from gnn_distill.errors import refuse

NOT_IN_PARTS = "distances and subgraphs are those of whole graphs"


def _teachers(cfg: DictConfig) -> tuple[str, str]:
    """The key that says how the teacher reads a graph, and its value; full without a teacher."""
    if cfg.teacher.name == "none":
        return "trainer.sampler", "full"
    key = "trainer" if cfg.pretrain.sampler is None else "pretrain"
    return f"{key}.sampler", cfg[key].sampler


def parts_have_a_size(cfg: DictConfig) -> None:
    """Neighbourhoods need a number of seeds and a fan-out for each layer; other parts must be more than one."""
    for key, sampler in (("trainer.sampler", cfg.trainer.sampler), _teachers(cfg)):
        if sampler == "neighbor" and not cfg.trainer.batch_nodes:
            raise refuse("trainer.batch_nodes", 0, f"{key}=neighbor needs a number of nodes per batch. Set 1024.")
        if sampler in ("random", "cluster") and cfg.trainer.parts < 2:
            raise refuse("trainer.parts", cfg.trainer.parts, f"{key}={sampler} needs two parts or more.")
    layers, fanout = cfg.teacher.num_layers, list(cfg.trainer.fanout)
    if _teachers(cfg)[1] == "neighbor" and len(fanout) != layers:
        why = f"needs a number for each of the teacher's layers, teacher.num_layers={layers}."
        raise refuse("trainer.fanout", fanout, why)


def teacher_runs_layer_by_layer(cfg: DictConfig) -> None:
    """One teacher, whose states are inferred layer by layer; the model itself is asked once it is built."""
    key, sampler = _teachers(cfg)
    if sampler == "full":
        return
    if cfg.teacher.control == "self":
        raise refuse("teacher.control", "self", f"a twin is not run layer by layer, as {key} needs. Set it to full.")
    micro = cfg.loss.micro
    if micro.attention_target == "gat" and cfg.loss.weights.micro * micro.attention:
        why = f"the attention of a teacher that is read in parts ({key}={sampler}) is not kept. Choose propagation."
        raise refuse("loss.micro.attention_target", "gat", why)
    if cfg.teacher.ensemble > 1 or cfg.teacher.also:
        several = f"teacher.ensemble={cfg.teacher.ensemble}" if cfg.teacher.ensemble > 1 else "teacher.also"
        raise refuse(key, sampler, f"reads a graph for one teacher; {several} has several. Set it to full.")


def student_reads_parts(cfg: DictConfig) -> None:
    """Nothing that a student reads is of all pairs of nodes, and stored hops have no encodings."""
    sampler, name, encoding = cfg.trainer.sampler, cfg.student.name, cfg.encoding
    if sampler == "full" or name == "none":
        return
    for key in ("spd", "edge_hops"):
        if encoding[key]:
            raise refuse(
                f"encoding.{key}", encoding[key], f"trainer.sampler={sampler}: {NOT_IN_PARTS}. Set encoding=none."
            )
    can = capabilities_of(name)
    for key in ("degree", "rwse", "lap_pe"):
        if can.reads_hops and encoding[key]:
            why = f"trainer.sampler={sampler}: student={name} reads stored hops of features alone. Set encoding=none."
            raise refuse(f"encoding.{key}", encoding[key], why)
    if sampler == "neighbor" and can.dense_pairs:
        others = students_who(dense_pairs=False)
        raise refuse(
            "trainer.sampler", sampler, f"student={name} forms all pairs of a neighbourhood. Choose {others}, or "
            "trainer.sampler=random or cluster with pretrain.sampler=neighbor for the teacher."
        )  # fmt: skip


def terms_read_parts(cfg: DictConfig) -> None:
    """What is known early of terms that read whole graphs; others say so when they are made."""
    sampler, align = cfg.trainer.sampler, cfg.alignment
    if sampler == "full" or "none" in (cfg.student.name, cfg.teacher.name):
        return
    if align.weights.subgraph and align.source != "ego":  # means over ego networks are walks within a batch
        raise refuse(
            "alignment.source", align.source,
            f"trainer.sampler={sampler}: {NOT_IN_PARTS}. Choose alignment=node, or alignment.source=ego.",
        )  # fmt: skip


SAMPLING_RULES = (parts_have_a_size, teacher_runs_layer_by_layer, student_reads_parts, terms_read_parts)
