"""The section of a run's page about its predictions: scores by target and class, figures, and the worst examples."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gnn_distill.formatting import Format, metric_label, role_label, shown
from gnn_distill.results.molecule_drawings import drawing, smiles_of
from gnn_distill.results.pictures import Picture
from gnn_distill.results.prediction_figures import draw_calibration, draw_parity, draw_roc
from gnn_distill.results.predictions import MODELS, Predictions, read_predictions
from gnn_distill.results.run_files import Run

WORST = 6
MOST_CLASSES = 12
"""Of a confusion matrix that can be read."""
PARTS = {"test": "test", "val": "validation"}


def prediction_section(run: Run) -> dict[str, Any] | None:
    """The variables of templates/predictions.html; None where a run kept no predictions."""
    found = read_predictions(run)
    if found is None:
        return None
    scores = {role: run.summary.get("scores", {}).get(role, {}).get(found.part, {}) for role in MODELS}
    main = scores.get(found.main, {})
    return {
        "part": PARTS[found.part],
        "model": role_label(found.main),
        "overall": table({role_label(role): one["overall"] for role, one in scores.items() if one.get("overall")}),
        "targets": table(main.get("targets", {})),
        "classes": table(main.get("classes", {})),
        "confusion": confusion(found),
        "figures": list(figures(found)),
        "worst": worst_examples(run, found),
        "lines": "table" in run.summary,
    }


def table(rows: Mapping[str, Mapping[str, float | None]]) -> dict[str, Any] | None:
    """Header and cells of a table of metrics, one row a key; numbers of a column have one format."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    if not names:
        return None
    formats = {name: Format.of(name, [row[name] for row in rows.values() if row.get(name)]) for name in names}
    header = ["labels" if name == "n" else metric_label(name) for name in names]
    return {
        "header": header,
        "rows": [(key, [_cell(row.get(name), name, formats) for name in names]) for key, row in rows.items()],
    }


def _cell(value: float | None, name: str, formats: Mapping[str, Format]) -> str:
    if name == "n":
        return f"{value or 0:,}"
    return shown(None) if value is None else formats[name](value)


def confusion(found: Predictions) -> dict[str, Any] | None:
    """Counts of classes, one row a true class, one column a predicted one, of the main model."""
    if found.kind not in ("binary", "multiclass") or len(found.classes) > MOST_CLASSES:
        return None
    from sklearn.metrics import confusion_matrix

    known = found.known(0)
    outputs = found.outputs[found.main][known]
    said = outputs.argmax(axis=1) if found.kind == "multiclass" else (outputs[:, 0] > 0.5).astype(int)
    if not len(said):
        return None
    counts = confusion_matrix(found.labels[known, 0].astype(int), said, labels=range(len(found.classes)))
    rows = [(name, [f"{count:,}" for count in row]) for name, row in zip(found.classes, counts.tolist(), strict=True)]
    return {"header": list(found.classes), "rows": rows}


def figures(found: Predictions) -> Iterator[Picture]:
    """Each figure with its caption."""
    part, model = PARTS[found.part], role_label(found.main)
    of = f", {model}, by target" if len(found.targets) > 1 else ""
    parity = ("parity", draw_parity, f"Predicted over measured, {part}, {model}; on the line both agree.")
    roc = ("roc curves", draw_roc, f"ROC curves, {part}{of}; dotted: chance.")
    calibration = (
        "calibration",
        draw_calibration,
        f"Calibration, {part}; dotted: what is said is as likely as it is true.",
    )
    drawn = {"regression": [parity], "multiclass": [calibration]}.get(found.kind, [roc, calibration])
    for name, draw, caption in drawn:
        if (figure := draw(found)) is not None:
            yield Picture(f"predictions: {name}", figure, caption)


def worst_examples(run: Run, found: Predictions) -> list[dict[str, Any]]:
    """The examples that the main model is most wrong about, one label each, drawn where the table is at hand."""
    chosen = worst(found)
    smiles = smiles_of(run, {found.ids[row] for row, _ in chosen})
    return [
        {
            "id": found.ids[row],
            "target": found.targets[target] if len(found.targets) > 1 else "",
            "truth": _truth(found, row, target),
            "said": _said(found, row, target),
            "drawing": drawing(smiles[found.ids[row]]) if found.ids[row] in smiles else None,
        }
        for row, target in chosen
    ]


def worst(found: Predictions) -> list[tuple[int, int]]:
    """Rows and targets, the largest error first: |error| / std of the target's labels, or of classes 1 − p(true)."""
    errors = np.full(found.labels.shape, -np.inf)
    outputs = found.outputs[found.main]
    for target in range(len(found.targets)):
        known = np.flatnonzero(found.known(target))
        labels = found.labels[known, target]
        if found.kind == "multiclass":
            errors[known, target] = 1 - outputs[known, labels.astype(int)]
        elif found.kind == "regression" and len(known):
            errors[known, target] = np.abs(labels - outputs[known, target]) / (labels.std() or 1.0)
        else:
            errors[known, target] = np.abs(labels - outputs[known, target])
    order = np.argsort(-errors, axis=None, kind="stable")[:WORST]
    places = zip(*np.unravel_index(order, errors.shape), strict=True)
    return [(int(row), int(target)) for row, target in places if np.isfinite(errors[row, target])]


def _truth(found: Predictions, row: int, target: int) -> str:
    label = found.labels[row, target]
    return shown(label) if found.kind == "regression" else found.classes[int(label)]


def _said(found: Predictions, row: int, target: int) -> str:
    outputs = found.outputs[found.main][row]
    if found.kind == "regression":
        return shown(outputs[target])
    one = found.kind != "multiclass"
    number = int(outputs[target] > 0.5) if one else int(outputs.argmax())
    sure = (outputs[target] if number else 1 - outputs[target]) if one else outputs[number]
    return f"{found.classes[number]} ({100 * sure:.0f} %)"
