import io
import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from rich.console import Console
from scores_of_runs import FOLDS, NAN, RMSE, SEEDS, config, runs, scores, table

from gnn_distill.formatting import Format, metric_label, p_value
from gnn_distill.results.comparison import make_table
from gnn_distill.results.grids import grids
from gnn_distill.results.rendering import FORMATS, to_csv, to_json, to_latex, to_markdown, to_rich

NASTY = r"50%_a & b #1 {x} \cmd $y$ ~^ <i>|</i> [bold]z[/] *q* “τ ≤ 2”" + "\nline"


@pytest.fixture
def main():
    """Two columns, a nasty label, a hole, a stale run, all marks."""
    values = {
        "teacher": [0.85, 0.86, 0.84, 0.88, 0.85],
        "alone": [0.60, 0.62, 0.61, 0.64, 0.60],
        "kd": [0.70, 0.72, 0.71, 0.73, 0.69],
        "full": [0.80, 0.81, 0.82, 0.82, 0.80],
        "none": [],
    }
    groups = [runs(row, "nci1", of_row, unit="fold") for row, of_row in values.items()]
    for row, of_row in values.items():
        rmse = [1 - value for value in of_row][: 3 if row == "full" else 5]
        groups.append(runs(row, "esol", rmse, "rmse", higher_is_better=False, stale=row == "alone"))
    labels = {"full": NASTY, "none": "[x] * first", "nci1": "NCI_1", "esol": "ESOL"}
    return make_table(
        config(values, {"nci1": FOLDS, "esol": SEEDS}, labels, title="Main_results & more", name="main table_1"),
        scores(*groups),
        remarks=["Tuned: 100 % of study_1."],
    )


def row_of(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def test_numbers():
    assert [Format.of("roc_auc", [0.5])(value) for value in (0.8125, NAN, 1)] == ["81.2", "–", "100.0"]
    assert [Format.of("rmse", [0.879, 1.049])(value) for value in (0.879, 1.049, -0.015)] == [
        "0.879",
        "1.049",
        "−0.015",
    ]
    assert Format.of("mae", [123.4])(123.4) == "123"
    assert Format.of("mae", [])(1.0) == "1.00"
    assert [Format(100, 1)(value, sign=True) for value in (0.012, -0.012, -0.0001, 0)] == ["+1.2", "−1.2", "0.0", "0.0"]
    assert [p_value(p) for p in (0.03125, 0.0009, NAN)] == ["p 0.031", "p < 0.001", "p –"]
    assert (metric_label("roc_auc"), metric_label("rmse"), metric_label("own")) == ("ROC-AUC (%)", "RMSE", "own")


def test_panels_have_an_entry_for_every_header(main):
    panels = grids(main)
    assert [grid.key for grid in panels] == ["results", "gains", "shares"]
    measured = [("NCI_1", "accuracy (%) ↑"), ("ESOL", "RMSE ↓")]
    assert panels[0].heads == [("", ""), *measured, ("rank", ""), ("wins", "")]
    assert panels[1].heads == [("", ""), ("NCI_1", ""), ("ESOL", "")]
    assert all(len(row) == len(grid.header) for grid in panels for row in grid.rows)


def test_bounds_of_shares_of_a_gap_hardly_above_zero(main):
    cell = main.cells["full", "nci1"]
    main.cells["full", "nci1"] = replace(cell, share=cell.share._replace(share=1.131, low=-336.72, high=10.01))
    shares = to_markdown(main).partition("Share of the gap")[2]
    assert "| 113 [< −1000, > 1000] |" in row_of(shares, "| 50")
    assert json.loads(to_json(main))["cells"][[*main.cells].index(("full", "nci1"))]["share_low"] == -336.72


def test_panels_that_have_nothing_to_say_are_left_out():
    assert [grid.key for grid in grids(table({"kd": [1.0, 2.0]}))] == ["results"]
    assert grids(table({"kd": [1.0, 2.0]}))[0].heads == [("", ""), ("data", "accuracy (%) ↑")]


def test_without_a_gap_there_is_no_panel_of_its_shares():
    teacher, alone = [0.8, 0.82], [0.5, 0.53]
    kept = {"kd": [0.6, 0.61], "full": [0.7, 0.72]}
    assert [grid.key for grid in grids(table({"teacher": teacher, "alone": alone, **kept}))][-1] == "shares"
    panels = [grid.key for grid in grids(table({"teacher": alone, "alone": teacher, **kept}))]
    assert panels == ["results", "gains"]


LONG = {"nci1": "NCI1, 1,000 training graphs", "esol": "ESOL, scaffold split of seed 0", "toy": "Toy"}


def short_table(keys, **short):
    """A table of columns whose names are long."""
    values = {"kd": [0.5, 0.6], "full": [0.7, 0.8]}
    settings = config(values, {key: {"seed": [0, 1]} for key in keys}, LONG)
    for key, name in short.items():
        settings.columns[key].short = name
    return make_table(settings, scores(*(runs(row, key, of_row) for key in keys for row, of_row in values.items())))


def test_heads_are_short_and_full_names_are_below():
    made = short_table(LONG, esol="ESOL")
    assert [name for name, _ in grids(made)[0].heads][1:4] == ["nci1", "ESOL", "Toy"]
    names = "Columns: nci1: NCI1, 1,000 training graphs; ESOL, scaffold split of seed 0."
    (line,) = [line for line in to_markdown(made).splitlines() if line.startswith("- Columns")]
    assert line == f"- {names}"
    assert names in to_latex(made)
    terminal = Console(file=io.StringIO(), width=200)
    terminal.print(to_rich(made))
    assert names in terminal.file.getvalue()
    assert "ESOL, accuracy (%) ↑ |" in to_markdown(made)
    assert "nci1, 2 pairs" not in to_markdown(made)  # texts use the names


def test_the_only_column_keeps_its_name():
    made = short_table(["nci1"], nci1="NCI1")
    assert grids(made)[0].heads[1] == (LONG["nci1"], "accuracy (%) ↑")
    assert "Columns" not in to_markdown(made)


def test_units_are_a_line_of_their_own_in_latex():
    head = to_latex(short_table(LONG, esol="ESOL")).partition(r"\toprule")[2].splitlines()[1:3]
    assert head == [r" & nci1 & ESOL & Toy & rank & wins \\", " & accuracy (\\%) $\\uparrow$" * 3 + r" &  &  \\"]


def test_markdown_cells(main):
    text = to_markdown(main)
    assert text.startswith("## Main\\_results \\& more\n")
    kd = [cell.strip() for cell in row_of(text, "| kd").split("|")[1:-1]]
    assert kd == ["kd", "<ins>71.0</ins> ± 1.6", "**0.290** ± 0.016", "2.0", ""]
    assert row_of(text, "| \\[x\\] \\* first").split() == ["|", "\\[x\\]", "\\*", "first", *"|–|–|–|", "0/0/0", "|"]
    assert re.search(r"\*\*81.0\*\*\\\* ± 1.0 ", text)  # best, and better than the reference
    assert "(3/5)" in text
    assert "†° ±" in text
    assert "+10.0\\* [+8." in text
    assert "- Tuned: 100 % of study\\_1." in text


def test_markdown_tables_are_whole(main):
    blocks = re.findall(r"(?:^\|.*\n)+", to_markdown(main), re.M)
    assert len(blocks) == 3
    for block in blocks:
        lines = block.splitlines()
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(re.findall(r"(?<!\\)\|", lines[0]))}
        assert len({len(line) for line in lines}) == 1  # padded
        assert re.fullmatch(r"\| -+ \|( -+: \|)+", lines[1])
    # Nothing of a user's is HTML, emphasis, a link or mathematics.
    nasty = row_of(to_markdown(main), "| 50%").split(" line")[0]
    assert not re.search(r"(?<!\\)[<>_{}\[\]$~*#&]", nasty)


def unescaped(text):
    """What LaTeX would print of an escaped label."""
    words = {"textbackslash{}": "\\", "textasciitilde{}": "~", "textasciicircum{}": "^"}
    words |= {"textless{}": "<", "textgreater{}": ">", "textbar{}": "|"}
    text = re.sub(r"\\(text\w+\{\})", lambda found: words[found[1]].translate({92: "\0"}), text)
    text = re.sub(r"(?<!\\)\{([\[\]*])\}", r"\1", text).replace(r"$\tau$", "τ").replace(r"$\le$", "≤")
    return re.sub(r"\\([#$%&_{}])", r"\1", text).replace("\0", "\\")


def test_latex_prints_labels_as_they_are(main):
    label = row_of(to_latex(main), "50").split(r" & \textbf")[0]
    assert unescaped(label) == " ".join(NASTY.split())


def test_latex_is_well_formed(main):
    text = to_latex(main)
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 3
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\caption{", r"\begin{tabular}", r"\end{tabular}"):
        assert text.count(rule) == 3
    bare = re.sub(r"\\[#$%&_{}]", "", text)
    depth = 0
    for letter in bare:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    outside = re.sub(r"\$[^$]*\$", "", bare)
    assert not re.search(r"[_^#~]", outside)
    assert [line for line in outside.splitlines() if "%" in line] == [r"% Needs \usepackage{booktabs}."]
    assert set(re.findall(r"[^\x00-\x7f]", text)) == {"“", "”"}  # known to LaTeX as they are


def test_latex_rows_have_all_their_cells(main):
    for columns, body in re.findall(r"\\begin\{tabular\}\{(l r*|lr*)\}(.*?)\\end\{tabular\}", to_latex(main), re.S):
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(lines) > 2
        for line in lines:
            assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1
            assert line[0] not in "[*"  # an argument of the \\ before


def test_latex_marks_and_emphasis(main):
    text = to_latex(main)
    assert r"\textbf{81.0}$^{*}$ $\pm$ 1.0" in text
    assert r"\underline{71.0} $\pm$ 1.6" in text
    assert r"$^{\dagger}$$^{\circ}$ $\pm$" in text
    assert r"\label{tab:main-table-1}" in text
    assert r"{\footnotesize " in text
    assert r"Tuned: 100 \% of study\_1.\par}" in text


def test_csv_reads_back(main):
    text = to_csv(main)
    frame = pd.read_csv(
        io.StringIO(text), keep_default_na=False, na_values={"mean": "", "std": "", "p": "", "effect": ""}
    )
    assert len(frame) == 10
    kd = frame[(frame["row"] == "kd") & (frame["column"] == "esol")].iloc[0]
    assert kd["mean"] == main.cells["kd", "esol"].mean  # to the last digit, in original units
    full = frame[(frame["row"] == "full") & (frame["column"] == "nci1")].iloc[0]
    assert full["p"] == main.cells["full", "nci1"].comparison.outcome.p
    assert full["mark"] == "*"
    assert full["row_label"] == NASTY


def test_json_has_values_by_pair_and_no_nan(main):
    def refuse(constant):
        raise AssertionError(constant)

    facts = json.loads(to_json(main), parse_constant=refuse)
    cells = {(cell["row"], cell["column"]): cell for cell in facts["cells"]}
    assert cells["kd", "nci1"]["values"] == {f"fold {i}": v for i, v in enumerate([0.70, 0.72, 0.71, 0.73, 0.69])}
    assert cells["none", "nci1"]["mean"] is None
    assert cells["full", "nci1"]["share"] == pytest.approx((0.81 - 0.614) / (0.856 - 0.614))
    assert facts["rows"]["full"]["label"] == NASTY
    assert facts["columns"]["nci1"]["test"] == "corrected_t"


def test_the_terminal_shows_labels_literally(main):
    file = io.StringIO()
    Console(file=file, width=200).print(to_rich(main))
    text = file.getvalue()
    assert "[bold]z[/]" in text
    assert "\x1b" not in text  # off a terminal there are no control codes
    assert "71.0 ± 1.6" in text
    coloured = io.StringIO()
    Console(file=coloured, width=200, force_terminal=True, color_system="standard").print(to_rich(main))
    assert "\x1b[1m81.0" in coloured.getvalue()
    assert "\x1b[4m71.0" in coloured.getvalue()


def test_every_format_tells_notes_and_footnotes(main):
    for form in ("md", "tex", "json"):
        text = re.sub(r"[\\{}]", "", FORMATS[form](main))
        for said in ("ddof=1", "Holm", "Fieller", "Missing, of 50 runs", "another version", "study_1"):
            assert said in text, (form, said)


def test_every_format_renders_an_empty_table():
    empty = table({"kd": [], "full": []}, **RMSE)
    for render in FORMATS.values():
        assert render(empty)
    Console(file=io.StringIO()).print(to_rich(empty))
