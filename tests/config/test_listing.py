"""Lists on terminals of any width, and in a pipe."""

import re

import pytest
from rich.cells import cell_len

from gnn_distill.config.listing import show

COLUMNS = ("data set", "kind", "files", "what")
ROWS = [
    ("ogbn_products", "multiclass", "in the mirror", "products bought together, forty-seven kinds, on one large graph"),
    ("esol", "regression", "", "solubility of small molecules in water 水"),
]
PATHS = [("2026-11-30", "ESOL", "0.71", f"outputs/train/{'long_' * 20}name")]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """What `show` prints on a terminal of some width; None: into a pipe."""

    def show_on(width: int | None, rows: list[tuple[str, ...]] = ROWS) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width or 80))
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr("sys.stdout.isatty", lambda: width is not None, raising=False)
        show(COLUMNS, rows)
        return re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()

    return show_on


@pytest.mark.parametrize("width", [30, 45, 60, 80, 120])
def test_it_fits_and_no_word_is_cut(printed, width: int) -> None:
    lines = printed(width)
    assert all(cell_len(line.rstrip()) <= width for line in lines)
    words = " ".join(lines).split()
    assert all(word in words or f"{word}," in words for row in ROWS for cell in row for word in cell.split())
    assert all(any(line.startswith(row[0]) for line in lines) for row in ROWS)


def test_the_layout_follows_the_width(printed) -> None:
    assert len(printed(120)) == 3
    assert [line.split() for line in printed(80)[:2]] == [
        ["data", "set", "kind", "files", "what"],
        ["ogbn_products", "multiclass", "in", "the", "mirror", "products", "bought", "together,", "forty-seven"],
    ]
    assert [line.rstrip() for line in printed(50)[:6]] == [
        *("data set       kind        files", "  what"),
        *("ogbn_products  multiclass  in the mirror", "  products bought together, forty-seven kinds, on"),
        *("  one large graph", "esol           regression"),
    ]
    assert printed(30)[:4] == [
        *("ogbn_products", "  kind: multiclass, files: in", "  the mirror", "  products bought together,")
    ]


@pytest.mark.parametrize("width", [30, 60, 80])
def test_a_path_stays_whole(printed, width: int) -> None:
    assert f"  {PATHS[0][-1]}" in printed(width, PATHS)


def test_a_pipe_gets_a_row_per_line(printed) -> None:
    lines = printed(None)
    assert lines[0].split("  ")[0] == "data set"
    assert [line.endswith(row[-1]) for line, row in zip(lines[1:], ROWS, strict=True)] == [True, True]
    assert lines[1].index("multiclass") == lines[2].index("regression")
