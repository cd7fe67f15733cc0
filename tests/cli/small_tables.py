"""A table of a few runs that take a second each."""

import json
from pathlib import Path

TINY = (
    *("dataset.num_train=20", "dataset.num_val=10", "dataset.num_test=20", "teacher.hidden_channels=8"),
    *("student.hidden_channels=8", "student.num_heads=2", "student.num_layers=1", "trainer.max_epochs=2"),
    "pretrain.max_epochs=2",
)
SMALL = (
    *("table", "table.size=smoke", f"table.sizes.smoke.overrides={list(TINY)}"),
    *(
        "table.sizes.smoke.rows=[teacher,kd]",
        "table.sizes.smoke.pairs.seed=[0,1]",
        "trainer.threads=1",
        "trainer.accelerator=cpu",
    ),
)


def summaries(folder: Path) -> dict[str, tuple[float, int]]:
    """Test accuracy, and when it was written, by the folder of the run, without its code version."""
    found = {}
    for file in folder.glob("outputs/cells/*/summary.json"):
        told = json.loads(file.read_text())
        role = "student" if "student" in told else "teacher"
        found[file.parent.name.rpartition("-")[0]] = (told[role]["test"]["accuracy"], file.stat().st_mtime_ns)
    return found
