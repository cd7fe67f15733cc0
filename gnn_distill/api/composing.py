"""The config of a run from words of Python: composed, checked and given a folder as the command line does it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict, read_write

from gnn_distill.cli.hydra_callbacks import claim
from gnn_distill.cli.launchers import processes_to_start
from gnn_distill.cli.main import CONF_DIR
from gnn_distill.config import schema
from gnn_distill.config.check import validate
from gnn_distill.config.quoting import for_hydra
from gnn_distill.errors import refuse

Overrides = Mapping[str, Any] | Sequence[str] | str
"""`{"dataset": "esol", "trainer.max_epochs": 20}`, or the words of the command line, as a list or one word."""
COMMAND = "train"


def words_of(overrides: Overrides) -> list[str]:
    """Overrides as words of the command line."""
    if isinstance(overrides, str):
        return [overrides]
    if isinstance(overrides, Mapping):
        return [f"{key}={_value(value)}" for key, value in overrides.items()]
    return list(map(str, overrides))


def _value(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case Mapping():
            return f"{{{','.join(f'{key}: {_value(item)}' for key, item in value.items())}}}"
        case list() | tuple():
            return f"[{','.join(map(_value, value))}]"
    return for_hydra(value)


@contextmanager
def composed(
    words: Sequence[str], folder: str | Path | None, config_dirs: Sequence[str | Path] = (), otherwise: str = ""
) -> Iterator[tuple[DictConfig, Path]]:
    """The checked config of `gnn-distill train` with these words, and the run's folder; within it Hydra's job is it.

    folder: None: `otherwise`, or as on the command line, with a number appended where there is one of that name.
    config_dirs: further folders of YAML files, as --config-dir.

    Raises:
        UserError: for wrong keys and values, and if several processes are asked for.
    """
    words = ["tracker=none", *words]
    if folder is not None:
        words.append(f"hydra.run.dir={for_hydra(folder)}")
    if config_dirs:
        places = ",".join(for_hydra(f"file://{Path(place).absolute()}") for place in config_dirs)
        words.append(f"hydra.searchpath=[{places}]")
    schema.register()
    with initialize_config_dir(str(CONF_DIR), job_name=COMMAND, version_base="1.3"):
        whole = compose(COMMAND, overrides=words, return_hydra_config=True)
        with read_write(whole), open_dict(whole):
            cfg = deepcopy(whole)
            with open_dict(cfg):
                del cfg["hydra"]
            validate(cfg)
            if processes_to_start(cfg.trainer) > 1:
                why = "a run from Python is one process. Use the command line: gnn-distill train."
                raise refuse("trainer.devices", cfg.trainer.devices, why)
            if otherwise and folder is None:
                whole.hydra.run.dir = otherwise
            claim(whole, "run")
            place = Path(whole.hydra.run.dir).absolute()
            whole.hydra.runtime.output_dir = str(place)
        HydraConfig.instance().set_config(whole)
        yield cfg, place
