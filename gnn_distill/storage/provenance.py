"""Provenance of a run: packages, code, machine, and the hash of its settings."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.module_files import PACKAGE
from gnn_distill.config.node_families import module_behind
from gnn_distill.config.plugins import MODULES, full_name, search_working_folder
from gnn_distill.storage.code_hash import Code, code_of
from gnn_distill.storage.files import sha256

PACKAGES = (
    "torch",
    "torch_geometric",
    "lightning-fabric",
    "lightning",
    "torchmetrics",
    "hydra-core",
    "omegaconf",
    "numpy",
    "scipy",
    "scikit-learn",
    "safetensors",
    "rdkit",
    "wandb",
)
RUN_MODULE = "gnn_distill.pipeline.run"
"""The module that makes a run: what it imports is the code of every run."""
FLOORS_MODULE = "gnn_distill.pipeline.floors"
"""What a run without teacher and student makes."""
LOCATION_SECTIONS = ("paths", "tracker", "hydra")
"""Sections that say where a run is stored, not what it is."""
ADDED_KEYS = {
    "dataset.group_column": None,
    "dataset.time_column": None,
    "dataset.split_column": None,
    "dataset.test_path": None,
    "trainer.nonfinite": "stop",
    "dataset.add_reverses": True,
    "dataset.features": "pyg",
    "dataset.positive": None,
    "dataset.duplicates": "keep",
    "dataset.standardise": "none",
    "loss.own": {},
    "alignment.channels": 1.0,
    "alignment.standardise": "std",
    "alignment.weights.contrast": 0.0,
    "loss.macro.anchor_relation": 0.0,
    "loss.macro.num_anchors": 4096,
    "loss.macro.anchor_temperature": 0.1,
    "loss.baseline.dist": 0.0,
    "loss.soft.exits": 0.0,
    "encoding.bias_per_layer": False,
    "student.patches": "louvain",
    "student.num_patches": 8,
    "student.patch_hops": 1,
    "student.patch_walk": 8,
    "student.gnn_layers": 4,
    "dataset.label_fraction": 1.0,
    "dataset.unlabelled": None,
    "trainer.select": "best",
    "trainer.average_epochs": 3,
    "trainer.stop_at": None,
    "pretrain.max_pairs": None,
    "pretrain.patience": None,
    "pretrain.select": "best",
    "pretrain.average_epochs": 3,
    "pretrain.nonfinite": None,
    "teacher.ensemble": 1,
    "teacher.also": [],
    "signals.give": "nodes",
    "teacher.outputs_file": None,
    "trainer.sampler": "full",
    "trainer.fanout": [10, 10],
    "trainer.parts": 10,
    "pretrain.sampler": None,
    "trainer.devices": "1",
    "trainer.num_nodes": 1,
    "trainer.compile": False,
    "trainer.deterministic": True,
}
"""Keys added later, with the value that means the earlier behaviour: with it, a config keeps its hash."""
AFTERWARDS = ("probe",)
"""Sections about what is done with a finished run: they change nothing of it."""
RESULT_NEUTRAL = ("trainer.out_of_memory", "alone", "floors")
"""Keys that change how a result is computed, or what it is shown beside, not the result."""
FILES = ("dataset.path", "dataset.test_path", "dataset.unlabelled", "teacher.checkpoint", "teacher.outputs_file")
"""Keys that name a file of the user's: its content counts, not its path."""
NODES = "nodes.json"
"""In a node folder the file with the hashes of all others."""


def environment(device: Any = "cpu", config: Any = None) -> dict[str, Any]:
    """Code version of a run, package versions, Python, platform, CPUs, threads, and the name of `device`."""
    import torch

    from gnn_distill.cpu import onednn_is_faster, usable_cpus

    device = torch.device(device)
    return {
        "code": code_version(config),
        "packages": package_versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": usable_cpus(),
        "threads": torch.get_num_threads(),
        "products": "oneDNN, of shapes that repeat" if onednn_is_faster() else "PyTorch's choice",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} ({_cpu_name()})",
    }


def package_versions() -> dict[str, str]:
    """Versions of the installed packages that results may depend on."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def code_version(config: Any = None) -> dict[str, Any]:
    """`version` of the package, hash of a run's `sources`; in a checkout also the `commit` and whether it is `dirty`.

    Changes to the code of tables, or of models that a run does not use, do not change its version.
    """
    return _release() | {"sources": run_code(config).digest[:16]}


def run_code(config: Any = None) -> Code:
    """The code of this package that the results of a run with these settings depend on; None: that all runs share."""
    chosen = (
        full_name(key, module_behind(name))
        for key, name in named_modules(config)
        if name not in (None, "none") and "." not in name
    )
    models = {_select(config, key) for key in ("teacher.name", "student.name")}
    return code_of([RUN_MODULE, *chosen, *([FLOORS_MODULE] if models == {"none"} else [])])


def named_modules(config: Any) -> Iterator[tuple[str, str | None]]:
    """The modules that a config names, each with the key of its kind: those of MODULES, then further teachers'."""
    yield from ((key, _select(config, key)) for key in MODULES)
    yield from (("teacher.name", name) for name in _select(config, "teacher.also") or ())


def config_hash(cfg: DictConfig | Mapping[str, Any]) -> str:
    """Sixteen hex digits of the SHA-256 of what a run is: its resolved config, and the files and modules it names.

    LOCATION_SECTIONS, AFTERWARDS, RESULT_NEUTRAL and ADDED_KEYS at their earlier value are left out. Files count by
    their content, modules by their source and that of what they import; none of it is executed.
    """
    values = OmegaConf.to_container(cfg, resolve=True) if OmegaConf.is_config(cfg) else deepcopy(cfg)
    kept = {key: value for key, value in values.items() if key not in (*LOCATION_SECTIONS, *AFTERWARDS)}
    for key in (*RESULT_NEUTRAL, *ADDED_KEYS):
        section, _, name = key.rpartition(".")
        if key in RESULT_NEUTRAL or _select(kept, key) == ADDED_KEYS[key]:
            ((_select(kept, section) if section else kept) or {}).pop(name, None)
    for key in FILES:
        section, _, name = key.partition(".")
        if isinstance(path := _select(kept, key), str):
            kept[section][name] = file_hash(path)
    if modules := users_code(kept):
        kept["modules"] = modules
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]


def users_code(config: Any) -> dict[str, str]:
    """Hashes of the user's modules that a config names, including the user's modules that these import, by key.

    This package's own modules do not count: another version of it makes the same run.
    """
    named = [*named_modules(config)]
    modules = {key: name for key, name in named[: len(MODULES)] if isinstance(name, str) and "." in name}
    modules |= {f"teacher.also.{name}": name for _, name in named[len(MODULES) :] if "." in name}
    own = _select(config, "loss.own") or {}
    targets = ["teacher.target", *(f"loss.own.{name}.target" for name in own)]
    paths = {key: _select(config, key) for key in targets}
    modules |= {key: path.rpartition(".")[0] for key, path in paths.items() if isinstance(path, str) and "." in path}
    search_working_folder()
    return {key: code_of([name], ours=False).digest for key, name in modules.items()}


def file_hash(path: str) -> str:
    """SHA-256 of a file, of a node folder of what lists its files' hashes; `missing` if it does not exist.

    A path may begin with ~.
    """
    try:
        found = Path(path).expanduser()
        file = found / NODES if found.is_dir() else found
        stat = file.stat()
        return _file_hash(str(file), stat.st_size, stat.st_mtime_ns, stat.st_ino)
    except OSError:
        return "missing"


@lru_cache(maxsize=64)
def _file_hash(path: str, *stamp: int) -> str:
    """Tables ask for the same file for every run; `stamp` changes when the file is rewritten."""
    return sha256(Path(path))


def _select(config: Any, key: str) -> Any:
    """The value of a dotted key of a dictionary or an object; None if there is none."""
    for name in key.split("."):
        config = config.get(name) if isinstance(config, Mapping | DictConfig) else getattr(config, name, None)
    return config


@cache
def _release() -> dict[str, Any]:
    try:
        version = metadata.version("gnn-distill")
    except metadata.PackageNotFoundError:
        version = "unknown"
    return {"version": version, **_checkout(PACKAGE.parent)}


def _checkout(root: Path) -> dict[str, Any]:
    """Commit and state of the checkout at `root`; empty if there is none, or no git."""
    if not (root / ".git").exists():  # an environment inside another checkout does not count
        return {}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "gnn_distill", "conf"))}
    except (OSError, subprocess.SubprocessError):
        return {}


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
