"""Columns of a table of text: what their cells are, which of them can be targets, and their labels as numbers."""

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
"""Cells without a value, in small letters: empty, or as programs write that."""
ABSENT = frozenset(("na", "n/a", "n.a.", "nd", "n.d.", "none", "null", "missing", "-", "--", "?", "."))
"""Words for no value among numbers and truth values, in small letters; among other words they are classes."""
POSITIVE = frozenset(("1", "+", "+1", "true", "t", "yes", "y", "active", "positive", "pos", "toxic", "hit"))
NEGATIVE = frozenset(
    (
        *("0", "-", "\u2212", "\u2013", "-1", "false", "f", "no", "n", "inactive", "negative", "neg"),
        *("nontoxic", "non-toxic", "not toxic", "non-active", "not active", "non-hit", "no hit"),
    )
)
"""Truth values, in small letters."""
WORDS_OF_NAME = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")
ID_NAMES = frozenset(("id", "ids", "idx", "index", "cid", "sid", "no", "nr", "num", "number", "row"))
"""First or last word of the name of a column that numbers the rows, in small letters."""
SHOWN = 3


@dataclass(frozen=True)
class Column:
    """A column's cells without the blanks around them, and the line of the file of each."""

    name: str
    cells: tuple[str, ...]
    lines: tuple[int, ...]

    @cached_property
    def small(self) -> tuple[str, ...]:
        """The cells in small letters."""
        return tuple(cell.lower() for cell in self.cells)

    @cached_property
    def numbers(self) -> np.ndarray:
        """Each cell as a float64; NaN where it is no number."""
        return np.array([float(cell) if NUMBER.fullmatch(cell) else np.nan for cell in self.cells])

    @cached_property
    def blank(self) -> np.ndarray:
        """Which cells have no value, whatever the column holds."""
        return np.array([cell in BLANK for cell in self.small], dtype=bool)

    @cached_property
    def absent(self) -> np.ndarray:
        """Which cells have no value if the column holds numbers or truth values: words for that count as well."""
        signs = "+" in self.cells
        return self.blank | np.array(
            [cell in ABSENT and not (signs and cell == "-") for cell in self.small], dtype=bool
        )

    @cached_property
    def truth(self) -> np.ndarray:
        """Each cell as 1 or 0; NaN where it is no truth value."""
        return np.array([1.0 if c in POSITIVE else 0.0 if c in NEGATIVE else np.nan for c in self.small])

    @cached_property
    def kind(self) -> str:
        """What the cells are: empty, numbers, truth (0 and 1 too), words, or mixed: numbers, mostly."""
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
        """Whether half of the cells are numbers, or would be but for a sign before them or a comma in them."""
        cells = [cell for cell, there in zip(self.cells, present, strict=True) if there]
        like = sum(bool(NUMBER.fullmatch(c) or CENSORED.fullmatch(c) or DECIMAL_COMMA.fullmatch(c)) for c in cells)
        return 2 * like >= len(cells)

    @cached_property
    def values(self) -> np.ndarray:
        """Labels: numbers, or truth values as 0 and 1; NaN where there is none."""
        values = np.where(np.isnan(self.numbers), self.truth, self.numbers) if self.kind == "truth" else self.numbers
        return np.where(self.absent, np.nan, values)

    @cached_property
    def names(self) -> tuple[str | None, ...]:
        """The class of each cell; None where it has none.

        Equal numbers are one class, and so are equal truth values, which are called as they are mostly written.
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
        """The different classes: 0 before 1, numbers by size, words by the alphabet."""
        names = {name for name in self.names if name is not None}
        if self.kind == "numbers":
            return sorted(names, key=float)
        if self.kind == "truth":
            return [name for name in dict.fromkeys(self._usual(self.values == value) for value in (0.0, 1.0)) if name]
        return sorted(names)

    @property
    def counts_rows(self) -> bool:
        """Whether it is an id: whole numbers that rise by one from row to row, or differ in a column called so."""
        values = self.values
        if self.kind != "numbers" or len(values) < 3 or not np.isfinite(values).all() or (values % 1 != 0).any():
            return False
        distinct = len(np.unique(values)) == len(values)
        words = WORDS_OF_NAME.split(self.name.lower() if self.name.isupper() else self.name)
        named = {words[0].lower(), words[-1].lower()} & ID_NAMES
        return bool((np.diff(values) == 1).all()) or bool(distinct and named)

    def unusable(self) -> str:
        """Why nothing can be learned of it: `empty`, or `constant (1)`; nothing where something can."""
        if self.kind == "empty":
            return "empty"
        return f"constant ({self.classes[0]})" if len(self.classes) < 2 else ""

    def told(self, where: np.ndarray) -> str:
        """`line 3: '>10', line 9: 'x' and 4 more` of the cells that `where` picks."""
        rows = np.flatnonzero(where)
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        return ", ".join(f"line {self.lines[row]}: '{self.cells[row][:40]}'" for row in rows[:SHOWN]) + more


def need_numbers(column: Column, why: str, remedy: str) -> None:
    """Raise UserError, naming the cells by line, where a column that should hold numbers holds others."""
    bad = np.isnan(column.numbers) & ~column.absent
    if not bad.any():
        return
    cells = [column.cells[row] for row in np.flatnonzero(bad)]
    hints = []
    if any(CENSORED.fullmatch(cell) for cell in cells):
        hints.append("A bound such as >10 is no label: leave it blank, or put a number.")
    if any(DECIMAL_COMMA.fullmatch(cell) for cell in cells):
        hints.append("Decimals have a point, not a comma.")
    count = int(bad.sum())
    what = "1 cell that is not a number" if count == 1 else f"{count:,} cells that are not numbers"
    beside = int((~np.isnan(column.numbers)).sum())
    raise UserError(
        f"{why}: column '{column.name}' holds {what} ({column.told(bad)}) beside {beside:,} that are. "
        f"{' '.join([*hints, remedy])}"
    )
