"""Fabricated runs with probe.json, as probes leave it."""

from pathlib import Path

import yaml

from gnn_distill.storage.checksums import write_json

SETTINGS = {"local": [1, 2], "far": [5, 8], "hops": 8}


def model(local: float, far: float, layers: int = 2, auroc: float | None = None) -> dict:
    """What probe.json holds of a model of this awareness."""

    def states(local: float, far: float) -> dict:
        value = lambda v: {"value": v, "low": v - 0.01, "high": v + 0.01}  # noqa: E731
        by_hop = [{"hop": hop, "r2": 0.5, **value(local if hop < 3 else far)} for hop in range(1, 9)]
        truths = {} if auroc is None else {"the far motif": {"reach": "far", "auroc": auroc}}
        return {
            **{"local": value(local), "far": value(far), "local_shells": value(local), "far_shells": value(far)},
            **{"local_families": {"typed shells": local}, "far_families": {"typed shells": far}, "truths": truths},
            **{"by_hop": by_hop, "pairs_by_hop": [], "control": value(0.1), "selectivity": local - 0.1},
        }

    found = {"last": states(local, far), "all": states(local + 0.1, far + 0.1)}
    return {"states": found | {str(layer): states(local, far) for layer in range(layers + 1)}}


def make_probed_run(
    folder: Path, *overrides: str, local: float, far: float, seed: int = 0, fold: int = 0, data: str = "aa" * 8,
    settings_hash: str = "s", auroc: float | None = None,
) -> Path:  # fmt: skip
    """A finished run with probe.json; without a teacher if an override says so."""
    alone = "teacher=none" in overrides
    (folder / ".hydra").mkdir(parents=True)
    config = {
        "dataset": {"name": "TOY", "fold": fold, "split_seed": 0},
        "teacher": {"name": "none" if alone else "gin", "num_layers": 3},
        "student": {"name": "graphormer"},
        "loss": {"weights": {"task": 1.0, "micro": 0.0 if alone else 1.0}, "words": list(overrides)},
        "seed": seed,
    }
    (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    words = [*overrides, f"seed={seed}", f"dataset.fold={fold}"]
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(words))
    scores = {"val": {"accuracy": 0.7}, "test": {"accuracy": 0.6 if alone else 0.8}}
    summary = {
        **{"student": scores, "dataset": "TOY", "metric": "accuracy", "higher_is_better": True, "level": "graph"},
        **{"config_hash": f"{local}{far}{seed}", "seed": seed, "data": data, "seconds": {}, "notices": []},
        "split": {"kind": "auto", "fold": fold, "split_seed": 0, "sizes": {"train": 80, "val": 10, "test": 10}},
        "parameters": {"student": 10, "teacher": 10},
    }
    models = {"student": model(local, far, auroc=auroc), "student untrained": model(0.02, 0.01, auroc=0.9)}
    if not alone:
        summary["teacher"] = {"val": {"accuracy": 0.8}, "test": {"accuracy": 0.75}}
        models |= {"teacher": model(0.5, 0.0, auroc=0.5), "teacher untrained": model(0.3, 0.0)}
    write_json(folder / "summary.json", summary)
    probe = {
        **{"settings": SETTINGS, "settings_hash": settings_hash, "graphs": 500, "nodes": 9000, "units": "graphs"},
        **{"types": ["type 0", "type 1"], "given": ["own features", "degrees"], "notices": [], "models": models},
        "told": {"by_hop": [{"hop": hop, "r2": 0.3} for hop in range(1, 9)], "targets": {}},
        "left_out": [{"target": "nodes within 1 hops", "level": "node", "why": "told: explains 99 % of it"}],
        "cpu_seconds": {"probes": 1.0},
    }
    write_json(folder / "probe.json", probe)
    return folder
