"""Names that try to be more than names: formulas, markup, control characters, paths, resolvers."""

import base64
import csv
import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from pages import Page, make_run, page_of
from rich.console import Console as RichConsole
from scores_of_runs import runs, scores, table

from gnn_distill.config import listing
from gnn_distill.config.schema.report import ReportConfig
from gnn_distill.errors import printable
from gnn_distill.results.publish import publish
from gnn_distill.results.rendering import to_csv, to_latex, to_markdown, to_rich
from gnn_distill.results.report import render
from gnn_distill.results.runs import COLUMNS, read_rows, read_runs, write_rows
from gnn_distill.results.spreadsheets import restored
from gnn_distill.results.spreadsheets import to_csv as as_csv
from gnn_distill.results.tables import Table
from gnn_distill.training.console import Console

FORMULAS = (
    '=HYPERLINK("http://example.org","click")', "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "＝1", "'=1"
)  # fmt: skip
MARKUP = "<img src=x onerror=alert(1)><script>alert(1)</script>"
ANSI = "\x1b[31mred\x1b]0;title\x07\x9b2J\u202egnp.exe\u202c\x00"
RICH = "[red]x[/red] [link=http://example.org]y[/link] :smile:"
LATEX = r"\input{/etc/passwd} $\write18{rm}$ % & # _ ^^41 ~ {}"
MARKDOWN = "a | b ![x](http://example.org/x.png) `c` [d](javascript:e) <b>"
EVIL = " ".join((MARKUP, ANSI, RICH, LATEX, MARKDOWN, "../../up"))


@pytest.fixture
def evil():
    """A table all of whose names are evil."""
    made = table({"kd": [0.5, 0.6], "full": [0.7, 0.8]}, labels={"kd": EVIL, "full": FORMULAS[0], "data": EVIL})
    return made.__class__(**{**vars(made), "title": EVIL, "name": EVIL, "notes": (EVIL,), "footnotes": (EVIL,)})


def write(made: Table, folder: Path) -> None:
    values = scores(runs("kd", "data", [0.5, 0.6])).assign(path="")
    publish(folder, made, pd.DataFrame(columns=list(COLUMNS)), values)


def is_quiet(text: str) -> bool:
    """Whether a terminal shows `text` and does nothing else."""
    return text == printable(text)


def test_control_characters_are_shown_not_sent():
    assert printable(ANSI) == r"\x1b[31mred\x1b]0;title\x07\x9b2J\u202egnp.exe\u202c\x00"
    assert printable("Zürich 90 % ± 2\tκόσμε\nline") == "Zürich 90 % ± 2\tκόσμε\nline"
    assert printable("\udcff") == r"\udcff"


def test_messages_show_markup_and_controls_as_they_are():
    file = io.StringIO()
    console = Console(file)
    for tell in (console.say, console.notice, console.warn, console.stage):
        tell(EVIL)
    shown = file.getvalue()
    assert is_quiet(shown)
    assert shown.count(RICH) == 4
    assert shown.count(r"\x1b[31mred") == 4


def test_a_terminal_that_is_gone_ends_nothing():
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    Console(Gone()).say("nobody reads this")


@pytest.mark.parametrize("terminal", [True, False])
def test_lists_show_markup_as_it_is(terminal: bool, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    listing.show(("name", "what"), [("mine", EVIL)])
    shown = capsys.readouterr().out
    assert RICH in shown
    assert r"\x1b[31mred" in shown


def test_a_table_in_the_terminal(evil):
    console = RichConsole(file=io.StringIO(), width=4000, force_terminal=False)
    console.print(to_rich(evil))
    shown = console.file.getvalue()
    assert is_quiet(shown)
    assert RICH in shown


def test_a_table_in_markdown(evil):
    text = to_markdown(evil)
    assert is_quiet(text)
    assert not re.search(r"(?<!\\)[\[\]`<|$]", re.sub(r"</?ins>|(?m:^\|| \|( |$))", "", text))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({line.replace(r"\|", "").count("|") for line in rows}) == 1


def test_a_table_in_latex(evil):
    text = to_latex(evil)
    assert is_quiet(text)
    assert r"\textbackslash{}input\{/etc/passwd\} \$\textbackslash{}write18\{rm\}\$ \% \& \# \_" in text
    assert not any(bare in text for bare in (r"\input", r"\write", "^^"))
    (label,) = {line for line in text.splitlines() if line.startswith(r"\label") and "-gains" not in line}
    assert set(label) <= set(r"\{}:-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def test_formulas_are_texts_to_a_spreadsheet(evil):
    frame = pd.DataFrame({"name": [*FORMULAS, "plain", "a\r=1", None], "value": -0.5, FORMULAS[0]: "x"})
    header, *rows = csv.reader(io.StringIO(as_csv(frame), newline=""))
    assert header == ["name", "value", f"'{FORMULAS[0]}"]
    assert [row[0] for row in rows] == [*(f"'{formula}" for formula in FORMULAS), "plain", r"a\r=1", ""]
    assert {row[1] for row in rows} == {"-0.5"}
    back = restored(pd.read_csv(io.StringIO(as_csv(frame), newline="")))
    assert back["name"].tolist()[:-2] == frame["name"].tolist()[:-2]
    assert "=HYPERLINK" not in to_csv(evil).replace("'=HYPERLINK", "")


def test_rows_of_runs_come_back_as_they_were(tmp_path: Path):
    environment = {"packages": {}, "code": {}}
    make_run(tmp_path / "run", "+experiment=mine", name=FORMULAS[0], dataset="@SUM(1)", environment=environment)
    frame = read_runs([tmp_path / "run"])
    assert len(frame) == 1
    write_rows(frame, tmp_path / "runs.csv")
    text = (tmp_path / "runs.csv").read_text()
    assert "'=HYPERLINK" in text
    assert ",'@SUM(1)," in text
    back = read_rows(tmp_path / "runs.csv")
    placed = ["path", "file"]
    assert back.drop(columns=placed).equals(frame[list(COLUMNS)].drop(columns=placed))


def test_a_page_about_a_run(tmp_path: Path):
    config = {"name": EVIL, "dataset": EVIL, "note": EVIL, "level": MARKUP, "control": {"name": EVIL}}
    folder = make_run(tmp_path / "run", f"dataset.name='{EVIL}'", epochs=2, **config)
    (folder / "failed.json").write_text('{"error": "<script>alert(1)</script>"}')
    page = page_of(folder)
    assert page.tags["img"] == 0
    assert page.text.count(MARKUP) >= 4


def test_no_page_holds_characters_that_act_unseen(tmp_path: Path):
    folder = make_run(tmp_path / "run", f"note={ANSI}", metric=ANSI, epochs=2, note=ANSI, notices=[ANSI])
    (folder / ".hydra" / "config.yaml").write_text(f"dataset: {{name: x}}\n# \u202e {ANSI[-3]}\n")
    (folder / "manifest.json").unlink()
    (folder / "failed.json").write_text(json.dumps({"error": ANSI}))
    (tmp_path / "sweep").mkdir()
    make_run(tmp_path / "sweep" / "a\x1b[2J", f"+a={ANSI}")
    make_run(tmp_path / "sweep" / "b", "+a=1")
    for page in (page_of(folder), page_of(tmp_path / "sweep")):
        assert is_quiet(page.html)
        assert r"\x1b[31mred" in page.text


def test_a_page_about_a_table(evil, tmp_path: Path):
    publish(
        tmp_path / "table",
        evil,
        pd.DataFrame(columns=list(COLUMNS)),
        scores(runs("kd", "data", [0.5, 0.6])).assign(path=""),
    )
    page = page_of(tmp_path / "table")
    assert page.text.count(MARKUP) >= 4
    assert {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")} == {"table"}


def test_a_page_shows_what_is_in_its_folder_and_no_more(evil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "secret").write_text("my key")
    publish(
        tmp_path / "table",
        evil,
        pd.DataFrame(columns=list(COLUMNS)),
        scores(runs("kd", "data", [0.5, 0.6])).assign(path=""),
    )
    (tmp_path / "table" / "figures" / "mine.png").symlink_to(tmp_path / "secret")
    assert base64.b64encode(b"my key").decode() not in page_of(tmp_path / "table").html

    monkeypatch.setenv("MY_KEY", "my key")
    folder = tmp_path / "run"
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "config.yaml").write_text(
        "dataset: {name: '${oc.env:MY_KEY}', metric: '${oc.${a}:MY_KEY}'}\na: env\nseed: ${b}\nb: 7\n"
    )
    page = Page(render(folder, ReportConfig(path=str(folder))))
    assert "my key" not in page.html
    assert "${oc.env:MY_KEY}" in page.text
