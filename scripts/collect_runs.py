"""Print finished runs as CSV: their overrides, their primary metric by role and split, and what probes found of them.

python scripts/collect_runs.py multirun/train/2026-01-31_12-00-00 > runs.csv
"""

import sys
from pathlib import Path

import pandas as pd
import yaml

from gnn_distill.formatting import ROLES
from gnn_distill.results.indices import indices_of
from gnn_distill.storage.provenance import LOCATION_SECTIONS
from gnn_distill.storage.run_directory import read_summary


def row(run: Path) -> dict[str, object]:
    """The row of a run: its overrides, metrics, best epoch and seconds of the student."""
    summary = read_summary(run)
    overrides = yaml.safe_load((run / ".hydra" / "overrides.yaml").read_text())
    kept = [text for text in overrides if text.partition("=")[0].split(".")[0] not in LOCATION_SECTIONS]
    scores = {
        f"{role} {split}": round(summary[role][split][summary["metric"]], 4)
        for role in ROLES
        for split in ("train", "val", "test")
        if split in summary.get(role, {})
    }
    return {
        **dict(text.split("=", 1) for text in kept),
        "metric": summary["metric"],
        **scores,
        "best_epoch": summary["best_epoch"],
        "student_seconds": summary["seconds"].get("student"),
        "config_hash": summary["config_hash"],
        **indices_of(run, summary["config_hash"], summary["finished"]),
    }


if __name__ == "__main__":
    runs = [path.parent for folder in sys.argv[1:] for path in sorted(Path(folder).rglob("summary.json"))]
    print(pd.DataFrame([row(run) for run in runs]).to_csv(index=False), end="")
