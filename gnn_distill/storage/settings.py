"""The settings a run began with: kept in run.json under its checksum, and as the files of .hydra/ that people read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf

from gnn_distill.errors import UserError, reading_foreign
from gnn_distill.storage.bounded import read_yaml
from gnn_distill.storage.checksums import read_json
from gnn_distill.storage.files import replace_file, writing
from gnn_distill.storage.provenance import PLACES
from gnn_distill.storage.run_directory import RUN

FOLDER = ".hydra"
FILES = ("config", "overrides", "hydra")
"""Hydra's names for the files there."""
ANEW = "Remove the folder, and start the run anew."
RESTORE = "Restore it, or start the run anew."


@dataclass(frozen=True)
class Settings:
    """A config, and the command line that it comes from."""

    config: dict[str, Any]
    """All values, interpolations resolved."""
    words: list[str]
    """Overrides on the command line, Hydra's own left out."""
    config_folders: list[str]
    """What --config-dir named."""
    files: dict[str, str] = field(default_factory=dict)
    """Texts of the files in .hydra/: what Hydra itself would write there, but before anything can be looked at."""

    @classmethod
    def of_job(cls, cfg: DictConfig) -> "Settings":
        """Those of the job that Hydra is running, whose config is `cfg`."""
        hydra = HydraConfig.get()
        parts = zip(FILES, (cfg, hydra.overrides.task, HydraConfig.instance().cfg), strict=True)
        files = {name: OmegaConf.to_yaml(part) for name, part in parts}
        return cls(values(cfg), list(hydra.overrides.task), _folders(hydra), files)

    @classmethod
    def read(cls, run: Path) -> "Settings":
        """Those of a run: from run.json, or, where an older version wrote that, from .hydra/.

        Raises:
            UserError: where these cannot be read.
        """
        if (run / RUN).is_file():
            with reading_foreign(run / RUN, ANEW):
                if kept := cls.among(read_json(run / RUN, ANEW)):
                    return kept
        folder = run / FOLDER
        with reading_foreign(folder, RESTORE):
            words = read_yaml(folder / "overrides.yaml", run, RESTORE)
            if not isinstance(words, ListConfig):  # Hydra writes [] where there are none
                raise UserError(f"{folder / 'overrides.yaml'}: holds no list of overrides. {RESTORE}")
            hydra = read_yaml(folder / "hydra.yaml", run, RESTORE).hydra
            config = values(read_yaml(folder / "config.yaml", run, RESTORE))
            return cls(config, [str(word) for word in words], _folders(hydra))

    @classmethod
    def among(cls, facts: Mapping[str, Any]) -> "Settings | None":
        """Those that run.json holds, if it does."""
        return cls(**facts["settings"]) if "settings" in facts else None

    def facts(self) -> dict[str, Any]:
        """What run.json is to hold."""
        return {"settings": asdict(self)}

    def write(self, run: Path) -> None:
        """See to it that .hydra/ holds its files as they were."""
        folder = run / FOLDER
        with writing(folder):
            folder.mkdir(exist_ok=True)
        for name in FILES:
            file, text = folder / f"{name}.yaml", self.files.get(name)
            if text is not None and not (file.is_file() and file.read_bytes() == text.encode()):
                replace_file(file, text)


def values(cfg: DictConfig) -> dict[str, Any]:
    """A config as plain values."""
    return OmegaConf.to_container(cfg, resolve=True)


def without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that says what a run is, not where it is kept."""
    return {key: value for key, value in config.items() if key not in PLACES}


def _folders(hydra: DictConfig) -> list[str]:
    return [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
