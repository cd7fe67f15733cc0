"""From scores of runs to a table: means, comparisons with the reference, ranks. Reads no files."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from gnn_distill.errors import UserError
from gnn_distill.results.footnotes import explanations, warnings
from gnn_distill.results.significance import (
    TESTS,
    Interval,
    Outcome,
    Share,
    average_ranks,
    differences,
    gap_recovered,
    holm,
    interval,
)
from gnn_distill.results.tables import Cell, Column, Comparison, Table

if TYPE_CHECKING:
    from gnn_distill.config.schema.table import TableConfig

BETTER, WORSE = "*", "†"
BESIDE = ("teacher", "floor")
"""Roles of rows that are no methods, and not ranked."""
LONGEST_HEAD = 20
"""Most letters of a label that stands in the head of one column of several."""
Cells = dict[tuple[str, str], Cell]


def make_table(
    config: "TableConfig", scores: pd.DataFrame, remarks: Sequence[str] = (), limits: Sequence[str] = ()
) -> Table:
    """The table of a config's rows and columns, with `remarks` after its footnotes and `limits` before its notes.

    `scores` has one line per finished run: row, column, seed and the other keys of the column's pairs (such as
    fold), value, constant, metric, higher_is_better, n_train, n_test, stale.

    Raises:
        UserError: if the runs of a column have different metrics.
    """
    rows = list(config.rows)
    reference, alone, teacher = (
        name if name in rows else None for name in (config.reference, config.alone, config.teacher)
    )
    teachers, floors = (frozenset(key for key, row in config.rows.items() if row.role == role) for role in BESIDE)
    columns: dict[str, Column] = {}
    cells: Cells = {}
    made: dict[tuple[str, str], tuple[Interval, Outcome]] = {}
    for key in config.columns:
        lines = scores[(scores["column"] == key) & scores["row"].isin(rows)]
        columns[key] = column = _column(config, key, lines)
        wide = _wide(lines, column, rows)
        columns[key] = column = replace(column, learned=_has_learned(lines, column, rows))
        for row in rows:
            of_row = lines[lines["row"] == row]
            cells[row, key] = Cell(
                values=_paired(wide, row)[row],
                missing=0 if row in column.absent else max(column.runs - len(of_row), 0),
                diverged=len(of_row) - int(wide[row].count()),
                stale=int(of_row["stale"].sum()),
                share=None if row in floors else _share(wide, column, row, alone, teacher),
            )
            if reference not in (None, row) and not {row, reference} & {*column.absent, *floors}:
                made[row, key] = _compare(wide, column, row, reference)
    cells |= _compared(cells, made, config.alpha)
    ranked = [row for row in rows if row not in teachers | floors]
    cells |= _flagged(cells, columns, ranked)
    table = Table(
        name=config.name,
        title=config.title or config.name,
        rows={key: row.label or key for key, row in config.rows.items()},
        columns=columns,
        cells={(row, key): cells[row, key] for row in rows for key in columns},
        reference=reference,
        alone=alone,
        teacher=teacher,
        teachers=teachers,
        floors=floors,
        alpha=config.alpha,
        ranks=_ranks(cells, columns, ranked).reindex(rows).to_dict(),
        wins={
            row: _wins(cells, columns, row, config.alpha)
            for row in rows
            if reference not in (None, row) and row not in floors
        },
    )
    no_reference = (
        [f"There is no row {config.reference} to compare with."] if config.reference and not reference else []
    )
    return replace(table, notes=(*limits, *no_reference, *warnings(table)), footnotes=(*explanations(table), *remarks))


def _column(config: "TableConfig", key: str, lines: pd.DataFrame) -> Column:
    metrics = sorted(lines["metric"].unique())
    if len(metrics) > 1:
        raise UserError(
            f"columns.{key}: its runs have different metrics, {' and '.join(metrics)}, which cannot be compared. "
            "Make them two columns."
        )
    plan = {name.rpartition(".")[2]: len(values) for name, values in config.columns[key].pairs.items()}
    splits = tuple(name for name, count in plan.items() if name != "seed" and count > 1)
    test = config.test if config.test != "auto" else "corrected_t" if splits else "paired_t"
    corrected = test == "corrected_t" and len(lines)
    return Column(
        label=config.columns[key].label or key,
        metric=metrics[0] if metrics else "",
        higher_is_better=bool(lines["higher_is_better"].iloc[0]) if metrics else True,
        units=splits or ("seed",),
        pairs=math.prod(count for name, count in plan.items() if name != "seed" or not splits),
        runs=math.prod(plan.values()),
        test=test,
        overlap=float(lines["n_test"].mean() / lines["n_train"].mean()) if corrected else 0.0,
        constant=None if lines["constant"].isna().any() or lines.empty else float(lines["constant"].mean()),
        absent=tuple(name for name, row in config.rows.items() if not row.is_in(key)),
        short=_short(config, key),
    )


def _short(config: "TableConfig", key: str) -> str:
    """The name of a column in heads, if that is not its label."""
    column = config.columns[key]
    alone, long = len(config.columns) == 1, len(column.label or key) > LONGEST_HEAD
    return "" if alone else column.short or (key if long else "")


def _has_learned(lines: pd.DataFrame, column: Column, rows: list[str]) -> bool:
    """Whether the interval of some row's gain over the best constant prediction is above 0; for one pair, the gain."""
    if column.constant is None:
        return True
    gained = lines.assign(value=column.sign * differences(lines["value"], lines["constant"]))
    wide = _wide(gained, column, rows)
    gains = [interval(_paired(wide, row)[row].to_numpy(), column.overlap) for row in rows]
    return any(gain.low > 0 or (math.isnan(gain.low) and gain.mean > 0) for gain in gains)


def _wide(lines: pd.DataFrame, column: Column, rows: list[str]) -> pd.DataFrame:
    """Finite values [run, row], runs by the name of their pair; a duplicate run is an error."""
    index = list(dict.fromkeys([*column.units, "seed"]))
    finite = lines[lines["value"].abs() < math.inf]
    wide = finite.pivot(index=index, columns="row", values="value").reindex(columns=rows).astype(float)
    keys = wide.index.to_frame(index=False)[list(column.units)].to_numpy().tolist()
    pairs = [", ".join(f"{unit} {int(value)}" for unit, value in zip(column.units, key, strict=True)) for key in keys]
    return wide.set_axis(pd.Index(pairs, dtype=object))


def _paired(wide: pd.DataFrame, *rows: str) -> pd.DataFrame:
    """Values [pair, row] of the runs that all `rows` have, seeds averaged within a split."""
    frame = wide[list(dict.fromkeys(rows))].dropna()
    return frame if frame.index.is_unique else frame.groupby(level=0, sort=False).mean()


def _compare(wide: pd.DataFrame, column: Column, row: str, reference: str) -> tuple[Interval, Outcome]:
    pairs = _paired(wide, row, reference)
    d = column.sign * differences(pairs[row], pairs[reference])
    return interval(d, column.overlap), TESTS[column.test](d, column.overlap)


def _share(wide: pd.DataFrame, column: Column, row: str, alone: str | None, teacher: str | None) -> Share | None:
    if None in (alone, teacher) or row in (alone, teacher):
        return None
    pairs = _paired(wide, row, alone, teacher)
    return gap_recovered(pairs[row], pairs[alone], pairs[teacher], column.higher_is_better, column.overlap)


def _compared(cells: Cells, made: Mapping[tuple[str, str], tuple[Interval, Outcome]], alpha: float) -> Cells:
    """The cells with a comparison, their p-values adjusted for the column and for the table."""
    p = pd.Series({at: outcome.p for at, (_, outcome) in made.items()}, dtype=float)
    if p.empty:
        return {}
    by_column, by_all = p.groupby(level=1).transform(holm), holm(p)
    done = {}
    for at, (effect, outcome) in made.items():
        mark = (BETTER if effect.mean > 0 else WORSE) if by_column[at] <= alpha else ""
        comparison = Comparison(effect, outcome, float(by_column[at]), float(by_all[at]), mark)
        done[at] = replace(cells[at], comparison=comparison)
    return done


def _flagged(cells: Cells, columns: Mapping[str, Column], ranked: list[str]) -> Cells:
    """Cells marked as best or second of their column, only those with the most pairs: incomplete ones could win."""
    flagged = {}
    for key, column in columns.items():
        most = max((len(cells[row, key].values) for row in ranked), default=0)
        means = {row: column.sign * cells[row, key].mean for row in ranked if len(cells[row, key].values) == most}
        places = pd.Series(means, dtype=float).round(12).rank(ascending=False, method="min")
        for row, place in places.items():
            best = column.learned and place
            flagged[row, key] = replace(cells[row, key], best=best == 1, second=best == 2)
    return flagged


def _ranks(cells: Cells, columns: Mapping[str, Column], ranked: list[str]) -> pd.Series:
    means = pd.DataFrame({key: {row: cells[row, key].mean for row in ranked} for key in columns}, index=ranked)
    return average_ranks(means, pd.Series({key: column.higher_is_better for key, column in columns.items()}))


def _wins(cells: Cells, columns: Mapping[str, Column], row: str, alpha: float) -> tuple[int, int, int]:
    made = [comparison for key in columns if (comparison := cells[row, key].comparison)]
    made = [comparison for comparison in made if not math.isnan(comparison.outcome.p)]
    sure = [comparison.effect.mean > 0 for comparison in made if comparison.p_holm_all <= alpha]
    return sum(sure), len(made) - len(sure), len(sure) - sum(sure)
