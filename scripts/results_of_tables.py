"""Tables of docs/results.md that are those of conf/table: whole, or with lines of their own for the page."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd
from omegaconf import OmegaConf
from results_of_runs import PERCENT, ROOT, ROWS, markdown, spread

from gnn_distill.cli.main import CONF_DIR
from gnn_distill.cli.table import filled
from gnn_distill.config import schema
from gnn_distill.config.schema.probe import ExamineSettings
from gnn_distill.config.schema.table import TableConfig
from gnn_distill.experiments.cell_settings import CellSettings
from gnn_distill.experiments.cells import PlannedRun, cell_overrides, plan_cell, sized
from gnn_distill.experiments.tuned import describe_overlap, describe_tuned, pairs_of
from gnn_distill.formatting import Format, metric_head, role_label
from gnn_distill.results.indices import has_indices
from gnn_distill.results.rendering import to_markdown
from gnn_distill.results.runs import read_rows
from gnn_distill.results.significance import differences
from gnn_distill.results.tables import Table
from gnn_distill.storage.provenance import RESULT_NEUTRAL

GIVEN = ("tracker=none", "trainer.threads=1")
SOLVED = 0.95
"""Accuracy that only a model with both parts of far_motif reaches."""


def table_of(
    name: str, size: str, *files: str, columns: Sequence[str] | None = None, beside: Sequence[str] = ()
) -> Table:
    """A table of conf/table with the rows of the first of `files`, with one thread a run, as its own command makes it.

    From the other files it notes other results of the same runs. Rows of probed runs also give what these found.
    beside: files of floors, whose rows are the table's own, too; without any the table has no floors.
    """
    config = OmegaConf.merge(TableConfig(size=size), OmegaConf.load(CONF_DIR / "table" / f"{name}.yaml"))
    table = sized(OmegaConf.to_object(config))
    rows = {key: row for key, row in table.rows.items() if beside or row.role != "floor"}
    table = replace(table, rows=rows, columns={key: table.columns[key] for key in columns or table.columns})
    found = pd.concat([read_rows(ROOT / ROWS / file).assign(file=str(ROWS / file)) for file in (*files, *beside)])
    own = found[found["file"].isin([str(ROWS / file) for file in (files[0], *beside)])]
    runs = [run for cell in product(table.columns, table.rows) for run in runs_of_cell(table, *cell, own)]
    probe = ExamineSettings() if has_indices(own) else None
    return filled(table, runs, found, list(describe_tuned(table)), list(describe_overlap(table)), probe)[0]


def runs_of_cell(table: TableConfig, column: str, row: str, own: pd.DataFrame) -> list[PlannedRun]:
    """The runs of a cell, known by their overrides; where these are written otherwise now, by the hash of their config.

    Composing all configs takes long; that the hashes are right is for the table's command to find.
    """
    known, runs = {words_of(line.overrides.split()): line for line in own.itertuples()}, []
    for pair in pairs_of(table.columns[column]):
        words = [f"{key}={value}" for key, value in pair.items()]
        overrides = (*cell_overrides(table, row, column, GIVEN, pair), *words)
        line = known.get(words_of(overrides))
        if line is None:
            schema.register()
            sources = own.set_index("config_hash")["sources"]
            planned = plan_cell(table, row, column, GIVEN, CellSettings())
            return [replace(run, sources=sources[run.config_hash]) for run in planned]
        data = " ".join(sorted(word for word in overrides if word.startswith("dataset")))
        known_as = (line.config_hash, line.sources, data, Path())
        runs.append(PlannedRun(row, column, tuple(pair.items()), overrides, *known_as))
    return runs


def words_of(overrides: Iterable[str]) -> frozenset[tuple[str, str]]:
    """Keys and values, the last word of each, without those that say how a result is come by."""
    words = {key: value for key, _, value in (text.partition("=") for text in overrides)}
    return frozenset((key, value) for key, value in words.items() if key not in (*RESULT_NEUTRAL, "tracker"))


def all_of(table: Table) -> str:
    """Everything that the command prints, below a heading of the page."""
    return to_markdown(table).partition("\n")[2].replace("\n### ", "\n#### ")


def main_table() -> str:
    """Everything that the command prints, below a heading of the page."""
    return all_of(main_results())


def main_results() -> Table:
    """The main table with its floors."""
    files = ("table_main.csv", "table_main_before.csv", "table_nci1.csv")
    return table_of("main", "measured", *files, beside=["table_floors.csv"])


def floors() -> str:
    """By data set the constant and the floor that is best on validation, beside the models of other tables."""
    runs, lines = read_rows(ROOT / ROWS / "table_floors.csv"), []
    others = table_of("structure", "awareness", "table_awareness.csv", columns=["zinc", "typed_edges"])
    main = main_results()
    tables = dict.fromkeys(main.columns, main) | dict.fromkeys(others.columns, others)
    default = pd.read_csv(ROOT / ROWS / "far_motif_small.csv")
    columns = OmegaConf.merge(
        *(OmegaConf.load(CONF_DIR / "table" / f"{name}.yaml").columns for name in ("main", "floors"))
    )
    for key in OmegaConf.load(CONF_DIR / "table" / "floors.yaml").sizes.measured.columns:
        where = set(columns[key].overrides)
        mine = runs[[where <= set(text.split()) for text in runs["overrides"]]]
        metric = mine["metric"].iloc[0]
        number = Format.of(metric, [mine["floor_test"].mean()])
        if key in tables:
            models = [tables[key].cells[row, key].values for row in ("teacher", "alone", "full")]
        else:
            models = [default[f"{role} test"] for role in ("teacher", "alone", "student")]
        names = " or ".join(dict.fromkeys(map(role_label, mine["floor"])))
        lines.append(
            [
                f"{columns[key].label}, {metric_head(metric, mine['higher_is_better'].iloc[0])}",
                *(number(mine["constant_test"].mean()), spread(mine["floor_test"], number), names),
                *(spread(values, number) for values in models),
            ]
        )
    return markdown(["", "constant", "floor", "which", "GNN teacher", "student alone", "full method"], lines)


def ablation() -> str:
    """The first panel."""
    return to_markdown(table_of("ablation", "measured", "table_ablation.csv")).split("\n\n")[1]


def nci1_small() -> str:
    """Means, gains and the values of each fold."""
    table = table_of("nci1", "full", "table_nci1.csv")
    lines = []
    for row, cell in table.of_column("nci1").items():
        words = [table.rows[row], spread(cell.values, PERCENT)]
        gain = ""
        if cell.comparison:
            mean, low, high = (PERCENT(value, sign=True) for value in cell.comparison.effect[:3])
            gain = f"{mean} [{low}, {high}]"
        lines.append([*(f"**{word}**" if cell.best else word for word in words), gain, *map(PERCENT, cell.values)])
    return markdown(["", "mean ± std", "gain over KD [95 % interval]", "folds 0", *"1234"], lines)


def far_motif() -> str:
    """Means and the values of each seed; a row may have the first seeds only."""
    table = OmegaConf.to_object(OmegaConf.merge(TableConfig, OmegaConf.load(CONF_DIR / "table" / "structure.yaml")))
    seeds, lines = table.columns["far_motif"].pairs["seed"], []
    runs = read_rows(ROOT / ROWS / "table_structure.csv")
    known = {words_of(run["overrides"].split()): run for _, run in runs.iterrows()}
    for row, config in table.rows.items():
        overrides = [(*cell_overrides(table, row, "far_motif", GIVEN, {"seed": s}), f"seed={s}") for s in seeds]
        found = [known.get(words_of(words)) for words in overrides]
        values = pd.Series([run[f"{config.role}_test"] for run in found if run is not None])
        cells = ["" if run is None else PERCENT(run[f"{config.role}_test"]) for run in found]
        solved = f"{(values >= SOLVED).sum()} of {len(values)}"
        lines += [[config.label, spread(values, PERCENT), solved, *cells]] if len(values) else []
    return markdown(["", "mean ± std", f"{100 * SOLVED:.0f} or more", "seed 0", *map(str, seeds[1:])], lines)


def regimes() -> str:
    """Scores and gains."""
    return "\n\n".join(all_of(table_of("regimes", "measured", "table_regimes.csv")).split("\n\n")[:3])


def awareness() -> str:
    """Scores, verdicts and awareness of probed runs, below a heading of the page."""
    return all_of(table_of("structure", "awareness", "table_awareness.csv"))


def awareness_controls() -> str:
    """The same of baselines and controls."""
    return all_of(table_of("structure", "controls", "table_awareness_controls.csv"))


def before_and_after() -> str:
    """Means of the runs that were made twice, and by how much they moved, run by run."""
    labels = {"nci1": "NCI1", "esol": "ESOL", "cora": "Cora"}
    before, after = (
        table_of("main", "measured", file, columns=[*labels]) for file in ("table_main_before.csv", "table_main.csv")
    )
    header, lines = [""], {row: [label] for row, label in after.rows.items()}
    for column, label in labels.items():
        header += [f"{label}, before", "after", "runs moved by"]
        number = after.format_of(column)
        for row, line in lines.items():
            once, again = (table.cells[row, column].values for table in (before, after))
            moved = pd.Series(differences(again, once))
            difference = spread(moved, number, sign=True) if moved.any() else "0"
            line += [spread(once, number), spread(again, number), difference]
    return markdown(header, lines.values())
