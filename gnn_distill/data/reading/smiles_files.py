"""Files of SMILES, read line by line: CSV with a header, and one SMILES a line."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from gnn_distill.data.assembly.inputs import Unfit
from gnn_distill.data.reading.smiles_column import SAMPLE, separator_of
from gnn_distill.errors import UserError, shorten
from gnn_distill.storage.bounded import reading

Finder = Callable[[list[str], list[list[object]]], int]
"""From the header and the first rows of a table to the place of its column of SMILES."""
MARKS = {",": "comma", ";": "semicolon"}
"""What separates columns, as messages name it."""


@dataclass(frozen=True)
class Line:
    """A row of a file as it is written, and its SMILES, or why there is none."""

    cells: list[str]
    entry: object
    done: int
    """Bytes of the file that were read so far, in whole buffers."""


class CsvFile:
    """The rows of a CSV file; cells stay as they are, also decimal commas and bytes that are not UTF-8.

    A blank line is a row, except at the end. Raises UserError for a file without a header or with an open quote.
    """

    def __init__(self, path: Path, find: Finder) -> None:
        self.path, self._separator = path, separator_of(path)
        first = list(islice(self._rows(), SAMPLE + 1))
        if not first or not any(cell.strip() for cell in first[0][0]):
            raise UserError(f"{path}: the file is empty. A CSV file starts with the names of its columns.")
        self.columns = first[0][0]
        if "\0" in "".join(self.columns) or any("\ud800" <= letter <= "\udfff" for letter in self.columns[0]):
            raise UserError(f"{path}: is not UTF-8 text. Save it as CSV in UTF-8.")
        width = len(self.columns)
        self._place = find(self.columns, [_padded(cells, width) for cells, _ in first[1:] if len(cells) <= width])

    def __iter__(self) -> Iterator[Line]:
        width, blank, rows = len(self.columns), 0, self._rows()
        next(rows)
        for cells, done in rows:
            if not any(cell.strip() for cell in cells):
                blank += 1
                continue
            for _ in range(blank):
                yield Line([""] * width, Unfit("an empty line"), done)
            blank = 0
            entry: object = _padded(cells, width)[self._place]
            if len(cells) > width:
                beyond, mark = shorten(self._separator.join(cells[width:])), MARKS[self._separator]
                entry = Unfit(f"{len(cells)} cells for {width} columns; a {mark} without quotes? Beyond: {beyond}")
            elif not entry.strip():
                entry = Unfit("no SMILES")
            yield Line(_padded(cells, width)[:width], entry, done)

    def _rows(self) -> Iterator[tuple[list[str], int]]:
        with opened(self.path) as file:
            read: list[str] = []  # the lines of the row
            lines = (line for line in _lines(file) if read.append(line) is None)
            rows = csv.reader(lines, delimiter=self._separator)
            while True:
                read.clear()
                try:
                    cells = next(rows)
                except StopIteration:
                    return
                except csv.Error as error:
                    raise UserError(
                        f"{self.path}, line {rows.line_num}: {error}. Is a quotation mark open above? Fix the file."
                    ) from error
                if len(read) > 1 and "".join(read).count('"') % 2:
                    raise UserError(
                        f"{self.path}, line {rows.line_num - len(read) + 1}: a quotation mark is open until the end of "
                        "the file. Fix the file."
                    )
                yield cells, file.buffer.tell()


class LinesFile:
    """The lines of a file with one SMILES a line; what follows the first blank is its name.

    A blank line is a row, except at the end.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.columns = path, ["line", "smiles", "name"]

    def __iter__(self) -> Iterator[Line]:
        blank = 0
        with opened(self.path) as file:
            for number, line in enumerate(_lines(file), start=1):
                smiles, _, name = line.strip().replace("\t", " ", 1).partition(" ")
                if not smiles:
                    blank += 1
                    continue
                for before in range(number - blank, number):
                    yield Line([str(before), "", ""], Unfit("an empty line"), file.buffer.tell())
                blank = 0
                yield Line([str(number), smiles, name.strip()], smiles, file.buffer.tell())


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """Open a text; bytes that are not UTF-8 are kept, to be written again as they were."""
    with reading(path, "Restore it."), open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        yield file


def _lines(file: IO[str]) -> Iterator[str]:
    while line := file.readline():
        yield line


def _padded(cells: list[str], width: int) -> list[str]:
    return cells + [""] * (width - len(cells))
