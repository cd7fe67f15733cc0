"""Typed schema of the configuration: every key a YAML file or an override may set."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from hydra._internal import defaults_list
from hydra.core.config_store import ConfigStore
from hydra.core.default_element import InputDefault
from omegaconf import MISSING, OmegaConf

from gnn_distill.config.naming import folder_of_comparison, folder_of_models, title_of
from gnn_distill.config.schema import (
    compare,
    convert,
    crossval,
    data,
    explain,
    export,
    molecules,
    node_graphs,
    predict,
    probe,
    report,
    run,
    runs,
    separate,
    store,
    structure_data,
    table,
    tune,
)


def _data_sets() -> dict[str, type[data.DatasetConfig]]:
    """Schemas of data sets by source, in the order of their classes; `nodes` is for node sets of the user's own."""
    known = (vars(data) | vars(molecules) | vars(node_graphs) | vars(structure_data)).values()
    classes = [kind for kind in known if isinstance(kind, type) and issubclass(kind, data.DatasetConfig)]
    names = {kind: "nodes" if kind is data.NodeDatasetConfig else kind.source for kind in classes}
    return {f"dataset/{name}": kind for kind, name in names.items() if name != MISSING}


# The other groups are sections of TrainConfig; data sets differ in their keys.
SCHEMAS = {
    "train": run.TrainConfig,
    "datasets": run.DatasetsConfig,
    "models": run.ModelsConfig,
    "tables": table.TablesCommand,
    "table": table.TableCommand,
    "compare": compare.CompareCommand,
    "crossval": crossval.CrossvalCommand,
    "runs": runs.RunsCommand,
    "tune": tune.TuneCommand,
    "separate": separate.SeparateCommand,
    "predict": predict.PredictCommand,
    "explain": explain.ExplainCommand,
    "probe": probe.ProbeCommand,
    "report": report.ReportCommand,
    "convert": convert.ConvertCommand,
    "export": export.ExportCommand,
    "store": store.StoreCommand,
    **_data_sets(),
}

_map_of_choices = defaults_list._create_interpolation_map


def _map_where_used(overrides: Any, listed: Sequence[InputDefault], self_added: bool) -> Any:
    """Hydra's map of all choices, for a defaults list that refers to one, as in `dataset: ${student}`; else None."""
    return _map_of_choices(overrides, listed, self_added) if any(one.is_interpolation() for one in listed) else None


def register(command: str | None = None) -> None:
    """Register every schema, and every resolver, that the YAML files of `conf/` use.

    command: the only one whose config is composed: then only its schema, and those of the sections that it has, which
        saves 10 ms for each of the others.
    """
    below = tuple(f"{key.name}/" for key in dataclasses.fields(SCHEMAS[command])) if command else ()
    paths = [path for path in SCHEMAS if command in (None, path) or path.startswith(below)]
    OmegaConf.register_new_resolver("models", folder_of_models, replace=True)
    OmegaConf.register_new_resolver("title", title_of, replace=True)
    OmegaConf.register_new_resolver("comparison", folder_of_comparison, replace=True)
    # Hydra copies its sources whenever it composes a config or lists a group, and with them this singleton of all
    # schemas: 25 ms each time. Whatever it reads from it, it copies anyway.
    ConfigStore.__deepcopy__ = lambda store, memo: store
    # Hydra makes this map for every file that it composes, and reads it for references alone: 25 ms a config.
    defaults_list._create_interpolation_map = _map_where_used
    configs = ConfigStore.instance()
    for path in paths:
        group, _, name = path.rpartition("/")
        configs.store(group=f"schema/{group}" if group else "schema", name=name, node=SCHEMAS[path])
