"""The files of a run directory that its page shows."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.naming import title_of
from gnn_distill.results.figures import Curves
from gnn_distill.results.runs import OVERRIDES
from gnn_distill.storage.bounded import Damaged, read_plain_json, read_yaml
from gnn_distill.storage.checksums import OtherVersion, read_json
from gnn_distill.storage.metrics_file import METRICS_FILE
from gnn_distill.storage.run_directory import FAILED, REPEAT_RUN, RUN, SUMMARY, read_metrics, read_summary, verify_run

CONFIG = Path(".hydra", "config.yaml")
CONFIGURED = ("student", "teacher")
"""The models that a run's config has sections of."""
REFERENCE = re.compile(r"\$\{[\w.]+\}")
"""A reference to a key of the same config."""


@dataclass(frozen=True)
class Run:
    """The contents of the files of a run; empty where a file is missing."""

    path: Path
    summary: dict[str, Any]
    config: DictConfig
    overrides: list[str]
    """The overrides on the command line, without Hydra's own keys."""
    curves: Curves
    error: str
    """Why it failed, if recorded."""
    notices: list[str]
    """The notices it printed."""

    @property
    def metric(self) -> str:
        """The primary metric."""
        return self.summary.get("metric") or OmegaConf.select(self.config, "dataset.metric") or ""

    @property
    def dataset(self) -> str:
        """The name of the data; of an unfinished run of those that it was started with."""
        if name := self.summary.get("dataset"):
            return name
        source, name, path = (OmegaConf.select(self.config, f"dataset.{key}") for key in ("source", "name", "path"))
        return title_of(source or "", name or "", path)

    @property
    def models(self) -> str:
        """`graphormer ← gin`; empty if the config names none."""
        names = [self.config.get(role, {}).get("name", "none") for role in CONFIGURED]
        return " ← ".join(name for name in names if name != "none")

    @property
    def read_split(self) -> str:
        """The split whose metric is the result: test, or validation if the test split was not read."""
        return "test" if any("test" in self.summary.get(role, {}) for role in CONFIGURED) else "val"

    def score(self, role: str, split: str) -> float | None:
        """The primary metric of a role on a split, if it was measured."""
        return self.summary.get(role, {}).get(split, {}).get(self.metric)


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run, finished or not."""
    return any(_exists(folder, name) for name in (SUMMARY, METRICS_FILE, CONFIG))


def read_run(folder: Path, curves: bool = True) -> Run:
    """The run in `folder`; its learning curves only if `curves`. Raises Damaged or OtherVersion."""
    verify_run(folder, CONFIG.as_posix(), OVERRIDES)
    summary = read_summary(folder) if _exists(folder, SUMMARY) else {}
    failed = read_plain_json(folder / FAILED) if _exists(folder, FAILED) else {}
    notices = summary.get("notices") if summary else _notices_so_far(folder)
    return Run(
        path=folder,
        summary=summary,
        config=OmegaConf.create(
            inert(read_yaml(folder / CONFIG, folder, REPEAT_RUN)) if _exists(folder, CONFIG) else {}
        ),
        overrides=_words(folder) if _exists(folder, OVERRIDES) else [],
        curves=read_metrics(folder) if curves and _exists(folder, METRICS_FILE) else {},
        error="\n".join(str(failed[key]) for key in ("error", "traceback") if failed.get(key)),
        notices=[str(text) for text in notices or ()],
    )


def _exists(folder: Path, name: str | Path) -> bool:
    """Whether the name exists, even as a broken link, for which reading it raises an error."""
    return os.path.lexists(folder / name)


def _words(folder: Path) -> list[str]:
    """The overrides on the command line. Raises Damaged if these are not strings."""
    words = list(read_yaml(folder / OVERRIDES, folder, REPEAT_RUN))
    if not all(isinstance(word, str) for word in words):
        raise Damaged(folder / OVERRIDES, "it contains values that are not strings", REPEAT_RUN)
    return words


def _notices_so_far(folder: Path) -> list[str]:
    """The notices of an unfinished run."""
    try:
        return read_json(folder / RUN).get("notices", []) if _exists(folder, RUN) else []
    except OtherVersion:
        return []


def inert(value: Any) -> Any:
    """Plain containers without ${…}, except references to another key.

    OmegaConf's resolvers would read environment variables of this machine: ${oc.env:…}.
    """
    if OmegaConf.is_config(value):
        return inert(OmegaConf.to_container(value))
    if isinstance(value, dict):
        return {key: inert(item) for key, item in value.items()}
    if isinstance(value, list):
        return [inert(item) for item in value]
    # A value composed of several others could grow without limit.
    return value.replace("${", r"\${") if isinstance(value, str) and not REFERENCE.fullmatch(value) else value
