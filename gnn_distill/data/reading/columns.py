"""Columns of a text table: the kind of their cells, whether they can be targets, and their labels as numbers."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gnn_distill.errors import UserError

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
CENSORED = re.compile(r"[<>≤≥~≈]=?\s*[+-]?[\d.,]+.*")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
BLANK = frozenset(("", "nan", "-nan", "#n/a", "<na>"))
"""Cells without a value, in lower case: empty, or as programs write it."""
ABSENT = frozenset(("na", "n/a", "n.a.", "nd", "n.d.", "none", "null", "missing", "-", "--", "?", "."))
"""Words for a missing value among numbers and truth values, in lower case; among other words they are classes."""
POSITIVE = frozenset(("1", "+", "+1", "true", "t", "yes", "y", "active", "positive", "pos", "toxic", "hit"))
NEGATIVE = frozenset(
    (
        *("0", "-", "\u2212", "\u2013", "-1", "false", "f", "no", "n", "inactive", "negative", "neg"),
        *("nontoxic", "non-toxic", "not toxic", "non-active", "not active", "non-hit", "no hit"),
    )
)
"""Truth values, in lower case."""
WORDS_OF_NAME = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")
ID_NAMES = frozenset(("id", "ids", "idx", "index", "cid", "sid", "no", "nr", "num", "number", "row"))
"""First or last word of the name of a column of row numbers, in lower case."""
SHOWN = 3


@dataclass(frozen=True)
class Column:
    """The cells of a column, stripped, and their lines in the file."""

    name: str
    cells: tuple[str, ...]
    lines: tuple[int, ...]

    @cached_property
    def small(self) -> tuple[str, ...]:
        """The cells in lower case."""
        return tuple(cell.lower() for cell in self.cells)

    @cached_property
    def numbers(self) -> np.ndarray:
        """Each cell as a float64; NaN if it is not a number."""
        return np.array([float(cell) if NUMBER.fullmatch(cell) else np.nan for cell in self.cells])

    @cached_property
    def blank(self) -> np.ndarray:
        """Which cells have no value, whatever the column holds."""
        return np.array([cell in BLANK for cell in self.small], dtype=bool)

    @cached_property
    def absent(self) -> np.ndarray:
        """Which cells have no value if the column has numbers or truth values, words for that included."""
        signs = "+" in self.cells
        return self.blank | np.array(
            [cell in ABSENT and not (signs and cell == "-") for cell in self.small], dtype=bool
        )

    @cached_property
    def truth(self) -> np.ndarray:
        """Each cell as 1 or 0; NaN if it is not a truth value."""
        return np.array([1.0 if c in POSITIVE else 0.0 if c in NEGATIVE else np.nan for c in self.small])

    @cached_property
    def kind(self) -> str:
        """The kind of the cells: empty, numbers, truth (also 0 and 1), words, or mixed, which is mostly numbers."""
        present = ~self.absent
        if not present.any():
            return "empty" if self.blank.all() else "words"
        numbers, truth = self.numbers[present], self.truth[present]
        if not np.isnan(numbers).any():
            return "truth" if np.isin(numbers, (0, 1)).all() else "numbers"
        if {0.0, 1.0} == set(truth.tolist()):
            return "truth"
        return "mixed" if self._mostly_numbers(present) else "words"

    def _mostly_numbers(self, present: np.ndarray) -> bool:
        """Whether half of the cells are numbers, or would be without a sign in front or a comma."""
        cells = [cell for cell, exists in zip(self.cells, present, strict=True) if exists]
        like = sum(bool(NUMBER.fullmatch(c) or CENSORED.fullmatch(c) or DECIMAL_COMMA.fullmatch(c)) for c in cells)
        return 2 * like >= len(cells)

    @cached_property
    def values(self) -> np.ndarray:
        """Labels: numbers, or truth values as 0 and 1; NaN if there is none."""
        values = np.where(np.isnan(self.numbers), self.truth, self.numbers) if self.kind == "truth" else self.numbers
        return np.where(self.absent, np.nan, values)

    @cached_property
    def names(self) -> tuple[str | None, ...]:
        """The class of each cell; None if it has none.

        Equal numbers are one class, and so are equal truth values, named by their most frequent spelling.
        """
        if self.kind in ("words", "mixed", "empty"):
            return tuple(None if blank else cell for cell, blank in zip(self.cells, self.blank, strict=True))
        if self.kind == "truth":
            spelled = {value: self._usual(self.values == value) for value in (0.0, 1.0)}
            return tuple(spelled.get(value) for value in self.values.tolist())
        return tuple(None if np.isnan(v) else str(int(v)) if v % 1 == 0 else repr(v) for v in self.values.tolist())

    def _usual(self, where: np.ndarray) -> str | None:
        counts = Counter(cell for cell, here in zip(self.cells, where, strict=True) if here)
        return min(counts, key=lambda cell: (-counts[cell], cell)) if counts else None

    @cached_property
    def classes(self) -> list[str]:
        """The distinct classes: 0 before 1, numbers by size, words alphabetically."""
        names = {name for name in self.names if name is not None}
        if self.kind == "numbers":
            return sorted(names, key=float)
        if self.kind == "truth":
            return [name for name in dict.fromkeys(self._usual(self.values == value) for value in (0.0, 1.0)) if name]
        return sorted(names)

    @property
    def counts_rows(self) -> bool:
        """Whether it is an id: whole numbers that increase by one per row, or are distinct and named like an id."""
        values = self.values
        if self.kind != "numbers" or len(values) < 3 or not np.isfinite(values).all() or (values % 1 != 0).any():
            return False
        distinct = len(np.unique(values)) == len(values)
        words = WORDS_OF_NAME.split(self.name.lower() if self.name.isupper() else self.name)
        named = {words[0].lower(), words[-1].lower()} & ID_NAMES
        return bool((np.diff(values) == 1).all()) or bool(distinct and named)

    def unusable(self) -> str:
        """Why it cannot be learned: `empty`, or `constant (1)`; empty if it can."""
        if self.kind == "empty":
            return "empty"
        return f"constant ({self.classes[0]})" if len(self.classes) < 2 else ""

    def quote(self, where: np.ndarray) -> str:
        """`line 3: '>10', line 9: 'x' and 4 more` for the cells where `where` is true."""
        rows = np.flatnonzero(where)
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        return ", ".join(f"line {self.lines[row]}: '{self.cells[row][:40]}'" for row in rows[:SHOWN]) + more


def need_numbers(column: Column, why: str, remedy: str) -> None:
    """Raise UserError, naming the cells by line, if a column that should hold numbers has other cells."""
    bad = np.isnan(column.numbers) & ~column.absent
    if not bad.any():
        return
    cells = [column.cells[row] for row in np.flatnonzero(bad)]
    hints = []
    if any(CENSORED.fullmatch(cell) for cell in cells):
        hints.append("A bound such as >10 is not a label: leave it blank, or enter a number.")
    if any(DECIMAL_COMMA.fullmatch(cell) for cell in cells):
        hints.append("Write decimals with a point, not a comma.")
    count = int(bad.sum())
    what = "1 cell that is not a number" if count == 1 else f"{count:,} cells that are not numbers"
    numeric = int((~np.isnan(column.numbers)).sum())
    raise UserError(
        f"{why}: column '{column.name}' has {what} ({column.quote(bad)}) among {numeric:,} that are. "
        f"{' '.join([*hints, remedy])}"
    )
