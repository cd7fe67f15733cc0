"""Rules of `gnn-distill separate` that join several keys of its config, and what keeps its sets out of training."""

from collections.abc import Callable, Iterable

from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.rules_teachers import several
from gnn_distill.config.schema.structure_data import PairsConfig
from gnn_distill.errors import UserError, refuse

MODELS = ("teacher", "student")


def has_labels(cfg: DictConfig) -> None:
    """Raise UserError if a run is to train on a set for `gnn-distill separate`."""
    if issubclass(OmegaConf.get_type(cfg.dataset), PairsConfig):
        choice = cfg.dataset.source
        raise refuse(
            "dataset",
            choice,
            f"{cfg.dataset.name} has no labels to train for. Use gnn-distill separate dataset={choice} teacher=gin.",
        )


def _has_pairs(cfg: DictConfig) -> None:
    if not issubclass(OmegaConf.get_type(cfg.dataset), PairsConfig):
        raise refuse("dataset", cfg.dataset.source, "has its own labels. Choose dataset=sr25, graph8c or brec.")


def _one_model(cfg: DictConfig) -> None:
    chosen = [f"{role}={cfg[role].name}" for role in MODELS if cfg[role].name != "none"]
    if len(chosen) != 1:
        why = f"two models are chosen, {' and '.join(chosen)}" if chosen else "no model is chosen"
        raise UserError(f"{why}. Choose one: teacher=gin, or student=graphormer.")
    if cfg.teacher.control != "none" or cfg.teacher.checkpoint is not None:
        key = "teacher.checkpoint" if cfg.teacher.control == "none" else "teacher.control"
        raise refuse(key, OmegaConf.select(cfg, key), "models start from random weights here. Leave it out.")
    if asked := several(cfg.teacher):
        raise refuse(*asked, "one model is asked here. Leave it out.")


def _test_has_enough_copies(cfg: DictConfig) -> None:
    brec = cfg.brec
    if brec.copies <= brec.outputs:
        raise refuse("brec.copies", brec.copies, f"must exceed brec.outputs={brec.outputs}, else no test is possible.")
    if brec.batch_size % 2:
        raise refuse("brec.batch_size", brec.batch_size, "must be even: a batch holds both graphs of its pairs.")
    if not brec.categories:
        raise refuse("brec.categories", "[]", "name one category or more, or leave it out.")


SEPARATE_RULES: Iterable[Callable[[DictConfig], None]] = (_has_pairs, _one_model, _test_has_enough_copies)
