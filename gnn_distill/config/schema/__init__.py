"""Typed schema of the configuration: every key a YAML file or an override may set."""

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from gnn_distill.config.naming import folder_of_models, title_of
from gnn_distill.config.schema import (
    convert,
    data,
    node_graphs,
    predict,
    probe,
    report,
    run,
    separate,
    store,
    structure_data,
    table,
    tune,
)


def _data_sets() -> dict[str, type[data.DatasetConfig]]:
    """Schemas of data sets by source, in the order of their classes; `nodes` is for node sets of the user's own."""
    known = (vars(data) | vars(node_graphs) | vars(structure_data)).values()
    classes = [kind for kind in known if isinstance(kind, type) and issubclass(kind, data.DatasetConfig)]
    names = {kind: "nodes" if kind is data.NodeDatasetConfig else kind.source for kind in classes}
    return {f"dataset/{name}": kind for kind, name in names.items() if name != MISSING}


# The other groups are sections of TrainConfig; data sets differ in their keys.
SCHEMAS = {
    "train": run.TrainConfig,
    "datasets": run.DatasetsConfig,
    "models": run.ModelsConfig,
    "table": table.TableCommand,
    "tune": tune.TuneCommand,
    "separate": separate.SeparateCommand,
    "predict": predict.PredictCommand,
    "probe": probe.ProbeCommand,
    "report": report.ReportCommand,
    "convert": convert.ConvertCommand,
    "store": store.StoreCommand,
    **_data_sets(),
}


def register() -> None:
    """Register every schema, and every resolver, that the YAML files of `conf/` use."""
    OmegaConf.register_new_resolver("models", folder_of_models, replace=True)
    OmegaConf.register_new_resolver("title", title_of, replace=True)
    # Hydra copies its sources whenever it composes a config or lists a group, and with them this singleton of all
    # schemas: 25 ms each time. Whatever it reads from it, it copies anyway.
    ConfigStore.__deepcopy__ = lambda store, memo: store
    configs = ConfigStore.instance()
    for path, node in SCHEMAS.items():
        group, _, name = path.rpartition("/")
        configs.store(group=f"schema/{group}" if group else "schema", name=name, node=node)
