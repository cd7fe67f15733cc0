"""What a run ran on: packages, code, machine; and the hash of its settings."""

import hashlib
import json
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

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
    "safetensors",
    "rdkit",
    "wandb",
)
PLACES = ("paths", "tracker", "hydra")
"""Sections that say where a run is kept, not what it is."""
BEYOND = (
    *(
        "results/",
        "commands/table.py",
        "commands/tune.py",
        "commands/report.py",
        "commands/store.py",
        "tuning.py",
        "search_space.py",
    ),
    *(
        "schema/table.py",
        "schema/tune.py",
        "schema/report.py",
        "schema/store.py",
        "cli.py",
        "complaints.py",
        "console.py",
        "listing.py",
    ),
    *("tracking.py", "wandb_process.py", "resumption.py", "interruption.py", "files.py", "sealed.py", "inventory.py"),
)
"""Code that has no say in how a run comes out."""


LATER = {"trainer.nonfinite": "stop"}
"""Keys that came later, with the value that says what was so before: with it, a config keeps its hash."""
MEANS = ("trainer.out_of_memory",)
"""Keys that say how a result is come by, not what it is."""


def environment(device: Any = "cpu") -> dict[str, Any]:
    """Code version, package versions, Python, platform, CPUs, threads, and the name of `device`."""
    import torch

    from gnn_distill.kernels import onednn_is_quicker, usable_cpus

    device = torch.device(device)
    return {
        "code": code_version(),
        "packages": package_versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": usable_cpus(),
        "threads": torch.get_num_threads(),
        "products": "oneDNN, of shapes that repeat" if onednn_is_quicker() else "PyTorch's choice",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} ({_cpu_name()})",
    }


def package_versions() -> dict[str, str]:
    """Versions of the packages that results may depend on, those that are installed."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


@cache
def code_version() -> dict[str, Any]:
    """`version` of the package, hash of its `sources`; in a checkout also the `commit` and whether it is `dirty`.

    Tables and reports are left out of `sources`: a run is not stale because a table is drawn in another way.
    """
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).as_posix().startswith(BEYOND):
            continue
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    try:
        version = metadata.version("gnn-distill")
    except metadata.PackageNotFoundError:
        version = "unknown"
    return {"version": version, "sources": digest.hexdigest()[:16]} | _checkout(package.parent)


def config_hash(cfg: DictConfig) -> str:
    """Sixteen hex digits of the SHA-256 of the resolved config, without what PLACES, MEANS and LATER leave out."""
    values = OmegaConf.to_container(cfg, resolve=True)
    kept = {key: value for key, value in values.items() if key not in PLACES}
    for key in (*MEANS, *LATER):
        section, _, name = key.rpartition(".")
        if key in MEANS or kept.get(section, {}).get(name) == LATER[key]:
            kept.get(section, {}).pop(name, None)
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _checkout(root: Path) -> dict[str, Any]:
    """Commit and state of the checkout at `root`; nothing if there is none, or no git."""
    if not (root / ".git").exists():  # an environment inside somebody else's checkout is not ours
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
