"""The model card of a finished run: what the student is, on which data it was measured, and for what it is made."""

from collections.abc import Iterator
from typing import Any

import yaml

from gnn_distill.models.predictor import Predictor
from gnn_distill.storage.privacy import shortened

ROLES = {
    "student": "this student",
    "teacher": "its teacher",
    "alone": "the same student from labels alone",
    "floor": "the best floor",
    "constant": "a constant",
}
"""What summary.json has metrics of, the last two without any training of a network."""


def model_card(predictor: Predictor, summary: dict[str, Any], student: str) -> str:
    """README.md of a Hugging Face model repository: metadata, then the card."""
    front = yaml.safe_dump(metadata(predictor, summary, student), sort_keys=False, allow_unicode=True)
    return shortened(f"---\n{front}---\n\n" + "\n".join(body(predictor, summary, student)) + "\n")


def metadata(predictor: Predictor, summary: dict[str, Any], student: str) -> dict[str, Any]:
    """The card's metadata, with the metrics of the test part if it was read."""
    spec, metric = predictor.spec, summary["metric"]
    found = {
        "library_name": "gnn-distill",
        "pipeline_tag": "graph-ml",
        "tags": ["gnn-distill", "graph-transformer", "knowledge-distillation", student.rpartition(".")[2]],
        "metrics": [metric],
    }
    values = summary["student"].get("test", {})
    if values.get(metric) is not None:
        measured = [{"type": name, "value": round(value, 6)} for name, value in values.items() if value is not None]
        task = {"type": "graph-ml", "name": f"{spec.kind}, {spec.level} level"}
        data = {"type": spec.name, "name": spec.name, "split": "test"}
        result = {"task": task, "dataset": data, "metrics": measured}
        found["model-index"] = [{"name": summary["name"], "results": [result]}]
    return found


def body(predictor: Predictor, summary: dict[str, Any], student: str) -> Iterator[str]:
    """The lines of the card."""
    spec, split = predictor.spec, summary["split"]
    environment = summary["environment"]
    yield f"# {summary['name']}\n"
    yield (
        f"A graph Transformer ({student}, {summary['parameters']['student']:,} parameters), trained by gnn-distill "
        f"{environment['code']['version']}. It predicts {', '.join(spec.target_names)} "
        f"({spec.kind}, {spec.level} level)."
    )
    yield "\n## Data\n"
    sizes = ", ".join(f"{part} {size:,}" for part, size in split["sizes"].items())
    yield f"{spec.name}; split: {split['kind']}, fold {split['fold']}, seed {split['split_seed']}; examples: {sizes}."
    if any((summary.get("shared_molecules") or {}).values()):
        shared = ", ".join(f"{pair} {count}" for pair, count in summary["shared_molecules"].items())
        yield f"Molecules in two parts: {shared}."
    if summary["note"]:
        yield summary["note"]
    yield f"\n## Metrics\n\n`{summary['metric']}`; {'higher' if summary['higher_is_better'] else 'lower'} is better.\n"
    yield "| | validation | test | 95 % interval |\n|---|---|---|---|"
    yield from (row for role in ROLES if (row := measured_row(summary, role)))
    yield (
        f"\nThe weights are those of one run, seed {summary['seed']}; another seed or split gives other numbers. "
        "The epoch was chosen on validation, and the test part was read once. Intervals cover the choice of test "
        "examples, not that of seeds."
    )
    yield "\n## Intended use\n"
    yield intended_use(predictor)
    yield "\n## How to load\n\n```python\nimport gnn_distill\nfrom huggingface_hub import snapshot_download\n"
    # Without local_dir the files would be links out of their folder, which `load` does not follow.
    yield 'student = gnn_distill.load(snapshot_download("OWNER/NAME", local_dir="NAME"))  # or this folder'
    entries = '["CCO", "c1ccccc1"]' if predictor.pipeline.smiles else "graphs"
    yield f"student.predict({entries})\n```\n"
    yield "`config.json` rebuilds the student and prepares its input; `run_config.yaml` holds the settings of the run."
    packages = environment["packages"]
    used = ", ".join(f"{name} {packages[name]}" for name in ("torch", "torch_geometric") if name in packages)
    yield f"Made with Python {environment['python']}, {used}."


def measured_row(summary: dict[str, Any], role: str) -> str:
    """The row of one of `ROLES`; empty if it was not measured."""
    values, metric = summary.get(role) or {}, summary["metric"]
    found = [values.get(part, {}).get(metric) for part in ("val", "test")]
    if all(value is None for value in found):
        return ""
    name = f"{ROLES[role]} ({values['name']})" if role == "floor" else ROLES[role]
    interval = summary["uncertainty"]["intervals"].get(role) if summary["uncertainty"]["split"] == "test" else None
    bounds = [] if interval is None else [interval["low"], interval["high"]]
    known = bounds and None not in bounds
    cells = ["" if value is None else f"{value:.4g}" for value in found]
    return f"| {name} | {' | '.join(cells)} | {f'{bounds[0]:.4g} to {bounds[1]:.4g}' if known else ''} |"


def intended_use(predictor: Predictor) -> str:
    """For which inputs the student is made, and for which it is not."""
    what = "molecules, given as SMILES," if predictor.pipeline.smiles else "graphs with the same features"
    return (
        f"Predictions for {what} like those of the training data, as a baseline or a screen whose hits are measured. "
        "It is no evidence for inputs unlike them (other elements, sizes, scaffolds), on which its errors may be far "
        "larger, nor for decisions about safety or people."
    )
