"""Rules of `gnn-distill train` about the objective: teacher and student must both have what is taught."""

from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.capabilities import capabilities_of, students_who
from gnn_distill.config.plugins import check_object_path
from gnn_distill.config.rules_given import (
    only_what_is_given_is_asked,
    stored_layers_are_given,
    teacher_of_a_file_is_complete,
)
from gnn_distill.config.rules_states import states_are_there
from gnn_distill.config.schema.objective import BASELINES
from gnn_distill.errors import UserError, refuse


def projection_fits_widths(cfg: DictConfig) -> None:
    """Without a projection, teacher and student must have the same width, all of which is compared."""
    if cfg.teacher.name == "none":
        return
    share, widths = cfg.alignment.channels, (cfg.teacher.hidden_channels, cfg.student.hidden_channels)
    twin = cfg.teacher.control == "self"  # as wide as the student
    for section in ("alignment", "loss.micro", "loss.macro", "loss.baseline"):
        key = f"{section}.projection"
        if OmegaConf.select(cfg, key) != "none":
            continue
        if share < 1:
            raise refuse(
                "alignment.channels", share, f"{key}=none compares all channels. Choose linear or mlp, or set it to 1."
            )
        if widths[0] != widths[1] and not twin:
            raise refuse(
                key,
                "none",
                f"teacher.hidden_channels={widths[0]} and student.hidden_channels={widths[1]} differ. "
                "Choose linear or mlp, or equal widths.",
            )


def whitened_states_are_mapped(cfg: DictConfig) -> None:
    """Whitened states have directions of their own, which no state of the student has without a map."""
    if cfg.alignment.standardise != "whiten" or cfg.teacher.name == "none":
        return
    if cfg.alignment.reuse_head:
        why = "the teacher's head reads states as they are. Choose std, or set alignment.reuse_head=false."
        raise refuse("alignment.standardise", "whiten", why)
    for key in ("alignment.projection", "loss.micro.projection", "loss.macro.projection"):
        if OmegaConf.select(cfg, key) == "none":
            why = "alignment.standardise=whiten rotates the teacher's states. Choose linear or mlp."
            raise refuse(key, "none", why)


def signals_hold_the_aligned_layers(cfg: DictConfig) -> None:
    """The layers to align are kept."""
    align = cfg.alignment
    if cfg.signals.layers == "last" and align.layers and align.weights.node and cfg.teacher.name != "none":
        raise refuse("signals.layers", "last", "alignment.layers=true reads all layers. Choose auto or all.")


def own_losses_are_named(cfg: DictConfig) -> None:
    """Losses of the user's own have Python names, import paths of functions, and arguments by name."""
    for name, own in cfg.loss.own.items():
        key = f"loss.own.{name}"
        if not name.isidentifier():
            raise UserError(f"{key}: must be a Python name (letters, digits and _): the term is called own_<name>.")
        check_object_path(f"{key}.target", own.target, "function")
        if own.kwargs is not None and not isinstance(own.kwargs, DictConfig):
            raise refuse(f"{key}.kwargs", own.kwargs, "must be a section of arguments by name, as in {alpha: 0.5}.")


def something_is_learned(cfg: DictConfig) -> None:
    """There is a model and a loss."""
    loss, align = cfg.loss, cfg.alignment
    own = [term for term in loss.own.values() if term.weight]
    weights = [*loss.weights.values(), *align.weights.values(), *(loss.baseline[name] for name in BASELINES), *own]
    if not any(weights):
        raise UserError(
            "all of loss.weights and alignment.weights are 0: nothing would be learned. Set one of them above 0."
        )
    if cfg.teacher.name == cfg.student.name == cfg.floors == "none":
        raise refuse(
            "student.name",
            "none",
            "teacher=none as well: there is nothing to train. Choose a teacher or a student, or floors=quick alone.",
        )
    if cfg.teacher.name == "none" and not loss.weights.task:
        raise refuse(
            "loss.weights.task", 0, "with teacher=none there is nothing but labels to learn from. Set it above 0."
        )
    if loss.weights.task or loss.weights.soft or cfg.student.name == "none":
        return
    if any(term.reads == "logits" for term in own):
        return
    if not align.reuse_head:
        raise refuse(
            "loss.weights.task",
            0,
            "loss.weights.soft=0 as well: nothing trains the student's head. Set one of them above 0, or reuse the "
            "teacher's head: alignment.reuse_head=true.",
        )
    if not align.weights.node and not loss.baseline.fitnet and not any(term.reads == "nodes" for term in own):
        raise refuse(
            "alignment.reuse_head",
            "true",
            "nothing trains the states that the head reads. Set alignment.weights.node, loss.baseline.fitnet or "
            "loss.weights.task above 0.",
        )


def exits_have_a_layer(cfg: DictConfig) -> None:
    """Exits are taken before the last layer."""
    if cfg.loss.weights.soft * cfg.loss.soft.exits and cfg.student.num_layers < 2:
        why = "student.num_layers=1: there is no layer before the last. Set it to 0, or use more layers."
        raise refuse("loss.soft.exits", cfg.loss.soft.exits, why)


def attention_can_be_taught(cfg: DictConfig) -> None:
    """The student has the attention to teach, and the teacher the attention that is its target."""
    micro, student, teacher = cfg.loss.micro, cfg.student, cfg.teacher
    if not cfg.loss.weights.micro * micro.attention or "none" in (teacher.name, student.name):
        return
    if not capabilities_of(student.name).attends_pairs:
        raise refuse(
            "loss.micro.attention",
            micro.attention,
            f"student={student.name} has no attention between pairs of nodes. Set "
            f"loss.micro.attention=0, or choose {students_who(attends_pairs=True)}.",
        )
    layers = list(micro.attention_layers)
    if "." not in student.name and max(layers, default=0) > student.num_layers:
        value = f"[{','.join(map(str, layers))}]"
        raise refuse("loss.micro.attention_layers", value, f"must be at most student.num_layers={student.num_layers}.")
    if micro.attention_heads is not None and micro.attention_heads > student.num_heads:
        raise refuse(
            "loss.micro.attention_heads",
            micro.attention_heads,
            f"must be at most student.num_heads={student.num_heads}.",
        )
    if micro.attention_target != "gat":
        return
    for key, kind in (("teacher", teacher.name), *(("teacher.also", kind) for kind in teacher.also)):
        if kind not in ("gat", "custom") and "." not in kind:
            raise refuse(
                "loss.micro.attention_target",
                "gat",
                f"{key}={kind} has no attention of its own. Choose teacher=gat, or propagation or cosine.",
            )
    if teacher.control in ("shuffled", "self"):
        raise refuse(
            "loss.micro.attention_target",
            "gat",
            f"teacher.control={teacher.control} has no such attention. Choose propagation or cosine.",
        )


def head_can_be_reused(cfg: DictConfig) -> None:
    """The teacher has a head that reads node states like the ones that the student learns."""
    teacher = cfg.teacher
    if not cfg.alignment.reuse_head or "none" in (teacher.name, cfg.student.name):
        return
    why = None
    if teacher.name == "custom" and teacher.control != "self":
        why = "teacher=custom has no head of this package's to reuse"
    if teacher.control == "untrained":
        why = "the trained teacher's head cannot read states of an untrained one (teacher.control=untrained)"
    if teacher.control == "self" and cfg.student.readout == "token":
        why = "the head of a student with student.readout=token reads the token, not the nodes (teacher.control=self)"
    if cfg.alignment.channels < 1:
        why = f"the head reads all channels (alignment.channels={cfg.alignment.channels})"
    if why:
        raise refuse("alignment.reuse_head", "true", f"{why}. Set alignment.reuse_head=false.")


OBJECTIVE_RULES = (
    own_losses_are_named,
    projection_fits_widths,
    whitened_states_are_mapped,
    signals_hold_the_aligned_layers,
    teacher_of_a_file_is_complete,
    only_what_is_given_is_asked,
    stored_layers_are_given,
    states_are_there,
    something_is_learned,
    exits_have_a_layer,
    attention_can_be_taught,
    head_can_be_reused,
)
