"""From the config's `dataset` section to a task."""

from typing import TYPE_CHECKING

from omegaconf import OmegaConf

from gnn_distill.config.node_families import module_behind, sources
from gnn_distill.config.plugins import function_of
from gnn_distill.data.assembly.further import with_further_graphs
from gnn_distill.data.task import GraphTask
from gnn_distill.errors import UserError, suggest

if TYPE_CHECKING:
    from gnn_distill.config.schema.data import DatasetConfig, PathsConfig


def load_task(dataset: "DatasetConfig", paths: "PathsConfig") -> GraphTask:
    """The data set of the config, read by the `load` of the module named by `dataset.source`, and `dataset.unlabelled`.

    A source with a dot is a module of the user's.

    Raises UserError if files are missing, or the data cannot be learned.
    """
    for key in ("source", "name", "path"):
        if OmegaConf.is_config(dataset) and OmegaConf.is_missing(dataset, key):
            raise UserError(f"dataset.{key} is needed: set dataset.{key}=..., or choose another dataset.")
    if dataset.source not in (choices := sources()) and "." not in dataset.source:
        hint = suggest(dataset.source, choices)
        raise UserError(f"dataset.source={dataset.source}: unknown source.{hint} Choose {', '.join(choices)}.")
    task = function_of("dataset.source", module_behind(dataset.source), "load")(dataset, paths)
    return with_further_graphs(task, dataset) if dataset.unlabelled else task
