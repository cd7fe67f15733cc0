"""Tables of docs/results.md that are laid out by hand: which runs a line has is said here."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gnn_distill.data.task import METRICS
from gnn_distill.formatting import Format, metric_head

ROOT = Path(__file__).parents[1]
ROWS = Path("docs/results")
PERCENT = Format.of("accuracy", ())
BATCHED = {
    "nci1": "NCI1, 1,000 training graphs",
    "mutagenicity": "Mutagenicity, 1,000 training graphs",
    "lipo": "Lipophilicity, 1,000 training molecules",
    "esol": "ESOL",
    "bace": "BACE",
    "zinc_small": "ZINC, 1,000 training molecules",
}
"""Label of every data set of docs/results/teacher_batches.csv."""
BATCHES = ["validation, like size", "any sizes", "test, like size", "any sizes"]
"""Heads of the tables about batches."""
STUDENTS_OF_BATCHES = {
    ("mutagenicity", "kd", "constant"): "Mutagenicity, soft targets (KD)",
    ("mutagenicity", "node", "constant"): "Mutagenicity, node alignment",
    ("mutagenicity", "full", "constant"): "Mutagenicity, full method",
    ("mutagenicity", "full", "structure_first"): "Mutagenicity, full method, structure first",
    ("nci1", "full", "constant"): "NCI1, full method",
    ("nci1", "full", "structure_first"): "NCI1, full method, structure first",
}
"""By data set, row and schedule the lines of docs/results/teacher_batches_students.csv that are shown."""
PUBLISHED = {
    ("cora", "gcn"): "81.5",
    ("citeseer", "gcn"): "70.3",
    ("cora", "gat"): "83.0 ± 0.7",
    ("citeseer", "gat"): "72.5 ± 0.7",
}
"""Test accuracy in %, on the same splits: Kipf & Welling (2017), Veličković et al. (2018)."""
Line = Sequence[str]


def typed_edges() -> str:
    """By seed; the full method's row in bold."""
    alone, every, longer = {"experiment": "student_alone"}, {"encoding": "all"}, {"trainer.max_epochs": 240}
    rows = {
        ("GIN teacher", ""): {"role": "teacher"},
        ("student alone", "`experiment=student_alone`"): alone,
        ("student alone, 3 × the epochs", "`experiment=student_alone trainer.max_epochs=240`"): alone | longer,
        ("soft targets alone", "`experiment=soft_targets`"): {"experiment": "soft_targets"},
        ("full method, states of an untrained GIN", "`experiment=untrained_teacher`"): {
            "experiment": "untrained_teacher"
        },
        ("**full method**", ""): {},
        ("student alone, every encoding there is", "`experiment=student_alone encoding=all`"): alone | every,
        ("the same, 3 × the epochs", "`experiment=student_alone encoding=all trainer.max_epochs=240`"): alone
        | every
        | longer,
        ("full method, every encoding there is", "`encoding=all`"): every,
    }
    command = "command: `gnn-distill train dataset=typed_edges trainer.threads=1 seed=… `"
    return by_pair("typed_edges", rows, "seed", ["what", command, "seed 0", "1", "2", "mean"])


def far_motif_small() -> str:
    """By seed: the three models of the default run, the full method in bold."""
    rows = {("GIN teacher",): {"role": "teacher"}, ("student alone",): {"role": "alone"}, ("**full method**",): {}}
    return by_pair("far_motif_small", rows, "seed", ["", "seed 0", "1", "2", "3", "4", "mean"])


def nci1() -> str:
    """By fold; the full method's row in bold."""
    rows = {
        ("GIN teacher", ""): {"role": "teacher"},
        ("student alone", "`experiment=student_alone`"): {"experiment": "student_alone"},
        ("**full method**", ""): {},
    }
    command = "command: `gnn-distill train dataset=nci1 trainer.threads=1 dataset.fold=… `"
    return by_pair("nci1", rows, "dataset.fold", ["what", command, "fold 0", "1", "2", "mean"])


def esol() -> str:
    """By seed; the full method's row in bold."""
    rows = {
        ("GINE teacher",): {"role": "teacher", "loss": None},
        ("student alone (`teacher=none`)",): {"teacher": "none"},
        ("soft targets alone (`loss=kd`)",): {"loss": "kd"},
        ("**full method**",): {},
    }
    return by_pair("esol", rows, "seed", ["", "seed 0", "1", "2", "mean ± std"], spread)


def cora() -> str:
    """By student; the best of each in bold."""
    frame = pd.read_csv(ROOT / ROWS / "cora.csv")
    students = {
        "plain Transformer (`student=transformer encoding.lap_pe=16`)": {"student": "transformer"},
        "GPS (`student=gps student.local=gcn`)": {"student": "gps", "student.norm": "none"},
        "GPS with batch norm (`… student.norm=batch`)": {"student": "gps", "student.norm": "batch"},
    }
    rows = {
        "GCN teacher": {"role": "teacher", "loss": "kd"},
        "student alone (`teacher=none`)": {"teacher": "none"},
        "soft targets alone (`loss=kd`)": {"loss": "kd"},
        "**full method** (`loss=micro_macro_nodes`, the default here)": {"loss": "micro_macro_nodes"},
        "full method with soft targets at 0.3 (`loss=micro_macro`)": {"loss": "micro_macro"},
    }
    return by_column({name: (frame, where) for name, where in students.items()}, rows)


def actor_and_tolokers() -> str:
    """By data set; the best of each in bold."""
    names = {"Actor": "actor", "Tolokers (`trainer.max_epochs=40`)": "tolokers"}
    rows = {
        "GraphSAGE teacher": {"role": "teacher", "loss": "kd"},
        "student alone (`teacher=none`)": {"teacher": "none"},
        "soft targets alone (`loss=kd`)": {"loss": "kd"},
        "full method": {"teacher": "sage", "loss": None},
    }
    return by_column({name: (pd.read_csv(ROOT / ROWS / f"{file}.csv"), {}) for name, file in names.items()}, rows)


def teachers() -> str:
    """Teachers alone by data set and kind, over seeds, beside published figures."""
    frame, lines = pd.read_csv(ROOT / ROWS / "teachers.csv"), []
    for (dataset, teacher), published in PUBLISHED.items():
        runs = frame[(frame["dataset"] == dataset) & (frame["teacher"] == teacher)]
        scores = (spread(runs[f"teacher {part}"], PERCENT) for part in ("val", "test"))
        lines.append([f"`dataset={dataset} teacher={teacher}`", *scores, published])
    return markdown(["", "validation", "test", "published, test"], lines)


def teacher_batches() -> str:
    """Teachers alone by data set, over folds or seeds, trained on batches of graphs of like size and of any sizes."""
    frame, lines = pd.read_csv(ROOT / ROWS / "teacher_batches.csv"), []
    for dataset, label in BATCHED.items():
        runs = frame[frame["dataset"] == dataset]
        metric = runs["metric"].iloc[0]
        scores = by_batches(runs, "teacher val", "teacher test")
        number = Format.of(metric, [one.mean() for one in scores])
        what = metric_head(metric, metric not in METRICS["regression"])
        lines.append([f"{label}, {what}", *(spread(one, number) for one in scores)])
    return markdown(["", *BATCHES], lines)


def students_of_batches() -> str:
    """Students by data set and method, over folds, whose teachers were trained on either kind of batches."""
    frame = pd.read_csv(ROOT / ROWS / "teacher_batches_students.csv")
    number, lines = Format.of("roc_auc", ()), []
    for (dataset, row, schedule), name in STUDENTS_OF_BATCHES.items():
        runs = frame[(frame["dataset"] == dataset) & (frame["row"] == row) & (frame["schedule"] == schedule)]
        scores = by_batches(runs, "val roc_auc", "test roc_auc")
        lines.append([name, *(spread(one, number) if len(one) else "" for one in scores)])
    return markdown([metric_head("roc_auc", True), *BATCHES], lines)


def by_batches(runs: pd.DataFrame, *columns: str) -> list[pd.Series]:
    """The values of each column of the runs with either kind of batches, as in BATCHES."""
    return [runs.loc[runs["batches"] == kind, column] for column in columns for kind in ("like size", "any sizes")]


def by_pair(
    file: str, rows: dict[Line, dict[str, Any]], pair: str, header: Line, last: Callable[..., str] | None = None
) -> str:
    """A line per row of `rows` (its first cells, and which runs it has): every pair, and the mean.

    A column that `rows` names for some rows only must be unset in the runs of the others.
    """
    frame = pd.read_csv(ROOT / ROWS / f"{file}.csv")
    free = {key: None for where in rows.values() for key in where if key != "role"}
    number, lines = Format.of(frame["metric"][0], [frame["student test"].mean()]), []
    for words, where in rows.items():
        where = ({} if where.get("role") == "teacher" else free) | where
        values = scores_of(frame, where, pair)
        cells = [*map(number, values), (last or mean)(values, number)]
        lines.append([*words, *(f"**{text}**" if words[0].startswith("**") else text for text in cells)])
    return markdown(header, lines)


def by_column(columns: dict[str, tuple[pd.DataFrame, dict[str, Any]]], rows: dict[str, dict[str, Any]]) -> str:
    """A line per row, mean and spread over the runs of each column; the best mean of a column, as shown, is bold."""
    lines = [[label] for label in rows]
    for frame, of_column in columns.values():
        pair = "seed" if "seed" in frame else "dataset.fold"
        values = [scores_of(frame, of_column | where, pair) for where in rows.values()]
        best = max(PERCENT(one.mean()) for one in values)
        for line, one in zip(lines, values, strict=True):
            text = spread(one, PERCENT)
            line.append(f"**{text}**" if PERCENT(one.mean()) == best else text)
    return markdown(["", *columns], lines)


def scores_of(frame: pd.DataFrame, where: dict[str, Any], pair: str) -> pd.Series:
    """Test scores by pair of the runs with the settings `where`, None for an unset one; each pair once."""
    kept = frame
    for key, value in where.items():
        if key != "role":
            kept = kept[kept[key].isna() if value is None else kept[key] == value]
    values = kept.dropna(subset=f"{where.get('role', 'student')} test").drop_duplicates(pair).sort_values(pair)
    return values[f"{where.get('role', 'student')} test"]


def spread(values: pd.Series, number: Format, sign: bool = False) -> str:
    """`81.2 ± 0.4`."""
    return f"{number(values.mean(), sign)} ± {number(values.std(ddof=1))}"


def mean(values: pd.Series, number: Format) -> str:
    """`81.2`."""
    return number(values.mean())


def markdown(header: Line, lines: Iterable[Line]) -> str:
    """A table, unpadded."""
    body = [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in (header, *lines)]
    return "\n".join([body[0], "|---" * len(header) + "|", *body[1:]])
