import pytest
from omegaconf import OmegaConf

from gnn_distill.config.schema.data import PathsConfig, TUDatasetConfig, TypedEdgesConfig
from gnn_distill.config.schema.molecules import SmilesConfig
from gnn_distill.data.reading.loading import load_task
from gnn_distill.errors import UserError


def test_loads_from_the_dataclass_and_from_the_composed_config() -> None:
    config = TypedEdgesConfig(num_train=20, num_val=10, num_test=10)
    task, again = (load_task(c, PathsConfig()) for c in (config, OmegaConf.structured(config)))
    assert task.fingerprint == again.fingerprint
    assert len(task.graphs) == 40


def test_unknown_source() -> None:
    with pytest.raises(UserError, match=r"dataset\.source=typed_edge: unknown source\. Did you mean 'typed_edges'\?"):
        load_task(TypedEdgesConfig(source="typed_edge"), PathsConfig())


@pytest.mark.parametrize(("config", "key"), [(TUDatasetConfig, "name"), (SmilesConfig, "path")])
def test_missing_key(config: type, key: str) -> None:
    with pytest.raises(UserError, match=rf"dataset\.{key} is needed"):
        load_task(OmegaConf.structured(config), PathsConfig())
