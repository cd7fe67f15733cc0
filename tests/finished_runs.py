"""Run directories with no more in them than the rows of tables are made from."""

from pathlib import Path

from gnn_distill.storage.checksums import write_json


def make_run(
    folder: Path, seed: int = 0, digest: str = "aa", sources: str = "s1", finished: str = "2026-01-01"
) -> Path:
    """A run directory with what read_runs reads of it."""
    summary = {
        **{"teacher": {"val": {"accuracy": 0.8}}, "student": {"val": {"accuracy": 1 / 3}, "test": {"accuracy": 0.7}}},
        **{"name": "graphormer<-gin x", "dataset": "x", "level": "graph", "metric": "accuracy"},
        **{"higher_is_better": True, "config_hash": digest, "seed": seed, "finished": finished},
        "split": {"kind": "auto", "fold": 2, "split_seed": 0, "sizes": {"train": 10, "val": 5, "test": 6}},
        **{"best_epoch": 3, "epochs": 4, "seconds": {"data": 1.25, "student": 2.0}},
        "environment": {
            **{"code": {"version": "0.1", "sources": sources}, "packages": {"torch": "2.13.0+cpu"}},
            **{"python": "3.11", "device": "cpu", "threads": 1},
        },
    }
    (folder / ".hydra").mkdir(parents=True)
    write_json(folder / "summary.json", summary)
    (folder / ".hydra" / "overrides.yaml").write_text("- seed=0\n- paths.store=/here\n- loss=kd\n- tracker=none\n")
    return folder
