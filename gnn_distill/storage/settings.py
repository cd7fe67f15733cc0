"""The settings a run started with: stored in run.json with its checksum, and as the files of .hydra/ for people."""

import re
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
from gnn_distill.storage.provenance import LOCATION_SECTIONS
from gnn_distill.storage.run_directory import RUN, START_OVER

FOLDER = ".hydra"
FILES = ("config", "overrides", "hydra")
"""Hydra's names for the files there."""
RESTORE = "Restore it, or start a new run."
CHOSEN = re.compile(r"^    choices:\n(?:      .*\n)*?      dataset: ([\w/-]+)$", re.MULTILINE)
"""Where hydra.yaml says which file of conf/dataset was chosen."""


@dataclass(frozen=True)
class Settings:
    """A config, and the command line that it comes from."""

    config: dict[str, Any]
    """All values, interpolations resolved."""
    words: list[str]
    """Overrides on the command line, without Hydra's own."""
    config_folders: list[str]
    """Values of --config-dir."""
    files: dict[str, str] = field(default_factory=dict)
    """Texts of the files in .hydra/, as Hydra itself would write them, but later than this module does."""

    @classmethod
    def of_job(cls, cfg: DictConfig) -> "Settings":
        """The settings of the job that Hydra is running, whose config is `cfg`."""
        hydra = HydraConfig.get()
        parts = zip(FILES, (cfg, hydra.overrides.task, HydraConfig.instance().cfg), strict=True)
        files = {name: OmegaConf.to_yaml(part) for name, part in parts}
        return cls(values(cfg), list(hydra.overrides.task), _folders(hydra), files)

    @classmethod
    def read(cls, run: Path) -> "Settings":
        """The settings of a run: from run.json, or, if an older version wrote it, from .hydra/.

        Raises:
            UserError: if these cannot be read.
        """
        if (run / RUN).is_file():
            with reading_foreign(run / RUN, START_OVER):
                if settings := cls.from_facts(read_json(run / RUN, START_OVER)):
                    return settings
        folder = run / FOLDER
        with reading_foreign(folder, RESTORE):
            words = read_yaml(folder / "overrides.yaml", run, RESTORE)
            if not isinstance(words, ListConfig):  # Hydra writes [] if there are none
                raise UserError(f"{folder / 'overrides.yaml'}: is not a list of overrides. {RESTORE}")
            hydra = read_yaml(folder / "hydra.yaml", run, RESTORE)
            config = values(read_yaml(folder / "config.yaml", run, RESTORE))
            files = {"hydra": OmegaConf.to_yaml(hydra)}
            return cls(config, [str(word) for word in words], _folders(hydra.hydra), files)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Settings | None":
        """The settings in `facts`, the content of run.json; None if an older version wrote it."""
        return cls(**facts["settings"]) if "settings" in facts else None

    @property
    def dataset(self) -> str | None:
        """The choice of a data set, by a word or by default; None where the files do not say it."""
        found = CHOSEN.search(self.files.get("hydra", ""))
        return found[1] if found else None

    def facts(self) -> dict[str, Any]:
        """The entries for run.json."""
        return {"settings": asdict(self)}

    def write(self, run: Path) -> None:
        """Restore the files of .hydra/."""
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


def without_locations(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that says what a run is, not where it is stored."""
    return {key: value for key, value in config.items() if key not in LOCATION_SECTIONS}


def _folders(hydra: DictConfig) -> list[str]:
    return [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
