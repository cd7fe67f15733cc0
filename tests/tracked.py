"""A small run as its tracker sees it: whole, or killed and resumed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from omegaconf import DictConfig, OmegaConf

from gnn_distill.config.schema.run import TrackerConfig
from gnn_distill.training.tracking import start_tracker

SUMMARY = {"student": {"val": {"accuracy": 0.5}, "test": {"accuracy": 2 / 3, "loss": None}}, "seconds": {"total": 3}}
LONG = "C" * 7000


def config(name: str, **tracker: object) -> DictConfig:
    """A run's config as far as trackers read it."""
    section = OmegaConf.structured(TrackerConfig(name=name, **tracker))
    return OmegaConf.create(
        {"tracker": section, "optim": {"lr": 1e-3}, "fanout": [10, 10], "alone": True, "none": None, "long": LONG}
    )


def rows(first: int, last: int) -> list[dict[str, float]]:
    """Epochs with numbers that no float32 holds, and one that is not a number."""
    return [
        {"epoch": epoch, "lr": 0.1 / epoch, "val/accuracy": float("nan") if epoch == 2 else 1 / (epoch + 2)}
        for epoch in range(first, last + 1)
    ]


def killed(folder: Path, name: str, warn: Callable[[str], None], **tracker: object) -> None:
    """A run that ends without a word, before the last two epochs that it has recorded have reached its tracker."""
    run = start_tracker(config(name, **tracker), folder, "student<-gin", "group", ["a"], warn, "0badcafe", False)
    for stage, last in (("teacher", 3), ("student", 2)):
        for row in rows(1, last):
            run.log(stage, row)
    run._messages.put(None)
    run._process.wait(240)


def whole(folder: Path, name: str, warn: Callable[[str], None], resumed: bool = False, **tracker: object) -> str:
    """Three epochs of a teacher and five of a student, all but the last recorded before if the run is resumed."""
    run = start_tracker(config(name, **tracker), folder, "student<-gin", "group", ["a"], warn, "0badcafe", resumed)
    if resumed:
        run.restore("teacher", rows(1, 3))
        run.restore("student", rows(1, 3))
        run.restore("student", rows(4, 4))  # recorded, but not in a checkpoint: it is trained again
    else:
        for stage, last in (("teacher", 3), ("student", 4)):
            for row in rows(1, last):
                run.log(stage, row)
    run.log("student", rows(5, 5)[0])
    run.summary(SUMMARY)
    Figure().savefig(folder / "loss.png")
    run.image("loss", str(folder / "loss.png"))
    run.table("scores", ["model", "score"], [["a|b", np.float64(0.5)], ["c", float("nan")]])
    (folder / "student.safetensors").write_bytes(b"weights")
    run.artifact("student", "model", [str(folder / "student.safetensors")])
    run.finish(timeout=240.0)
    return run.where
