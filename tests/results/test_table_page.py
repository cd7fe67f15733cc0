import json
import os
from types import SimpleNamespace

import pandas as pd
import pytest
from pages import EVIL, make_run, page_of

from gnn_distill.config.schema.report import ReportConfig
from gnn_distill.config.schema.table import ColumnConfig, RowConfig
from gnn_distill.errors import UserError
from gnn_distill.results.comparison import make_table
from gnn_distill.results.rendering import to_json
from gnn_distill.results.report import render
from gnn_distill.results.table_files import read_table


@pytest.fixture
def table_folder(tmp_path):
    names = {"teacher": "teacher", "alone": "alone", "kd": EVIL, "full": "full method"}
    config = SimpleNamespace(
        name="main",
        title="Main results",
        rows={
            row: RowConfig(name, role="teacher" if row == name else "student")
            for row, name in names.items()
        },
        columns={
            key: ColumnConfig(label=label, pairs={"seed": [0, 1, 2, 3]})
            for key, label in (("nci1", "NCI1"), ("odd", EVIL))
        },
        **{"reference": "kd", "alone": "alone", "teacher": "teacher", "test": "auto", "alpha": 0.05},
    )  # fmt: skip
    lines = [
        {
            **{"row": row, "column": column, "seed": seed, "value": value + 0.01 * (seed * place % 3)},
            **{
                "metric": "accuracy",
                "higher_is_better": True,
                "n_train": 9,
                "n_test": 9,
                "stale": seed == 3,
                "constant": None,
            },
        }
        for column in ("nci1", "odd")
        for place, (row, value) in enumerate(zip(names, (0.8, 0.5, 0.6, 0.7), strict=True))
        for seed in range(4 - place % 2)
    ]
    folder = tmp_path / "main"
    folder.mkdir()
    table = make_table(config, pd.DataFrame(lines), ["A remark."])
    (folder / "table.json").write_text(to_json(table))
    return folder, table


def test_a_table_is_read_back_as_it_was(table_folder):
    folder, table = table_folder
    again = read_table(folder)
    pd.testing.assert_frame_equal(again.frame(), table.frame())
    assert to_json(again) == to_json(table)
    assert (again.wins, again.teachers, again.columns) == (table.wins, table.teachers, table.columns)


def test_a_table(table_folder):
    folder, table = table_folder
    run = make_run(folder.parent / "run", epochs=2)
    runs = [{"row": "full", "column": "nci1", "path": run}, {"row": "kd", "column": "nci1", "path": folder / "gone"}]
    pd.DataFrame(runs).to_csv(folder / "scores.csv", index=False)
    page = page_of(folder)
    for text in ("Main results", "gnn-distill table table=main", "A remark.", *table.notes, *table.footnotes):
        assert text in page.text, text
    assert "70.0" in page.text
    assert page.tags["svg"] == 5  # boxes and differences of two columns, curves of one
    assert {path.name for path in (folder / "figures").iterdir()} == {
        "boxes.png",
        "differences.png",
        "curves_of_nci1.png",
    }
    page_of(folder, figures="pdf")
    assert {path.stem for path in (folder / "figures").glob("*.pdf")} == {
        *("boxes", "differences", "curves_of_nci1"),
        *(f"{what}_of_{key}" for what in ("values", "differences") for key in ("nci1", "odd")),
    }
    (folder / "figures" / "mine.png").write_bytes(b"\x89PNG")
    assert page_of(folder).tags["img"] == 1  # figures of others are shown too
    (run / "metrics.csv").write_text("stage,epoch\n")
    page = page_of(folder)
    assert "\n../run/metrics.csv: is damaged: " in page.text
    assert page.tags["svg"] == 4


def test_a_floor_has_no_curves_though_its_runs_have(table_folder):
    folder, _ = table_folder
    run = make_run(folder.parent / "run", epochs=2)
    pd.DataFrame([{"row": "full", "column": "nci1", "path": run}]).to_csv(folder / "scores.csv", index=False)
    assert "Validation metric by epoch" in page_of(folder).text
    table = json.loads((folder / "table.json").read_text())
    (folder / "table.json").write_text(json.dumps(table | {"floors": ["full"]}))
    assert "Validation metric by epoch" not in page_of(folder).text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda table: table["columns"].update({f"c{i}": {} for i in range(50)}), "it has 52 columns; at most 50"),
        (lambda table: table["cells"].extend(table["cells"] * 1000), "it has 8,008 cells"),
        (lambda table: table["cells"][0]["values"].update({str(i): 0.5 for i in range(20_000)}), "values; at most"),
    ],
)
def test_a_table_that_nobody_could_read_is_refused(table_folder, change, told):
    folder, _ = table_folder
    table = json.loads((folder / "table.json").read_text())
    change(table)
    (folder / "table.json").write_text(json.dumps(table))
    with pytest.raises(UserError, match=told):
        read_table(folder)


def test_a_table_is_not_read_through_links(table_folder):
    folder, _ = table_folder
    os.replace(folder / "table.json", folder.parent / "table.json")
    (folder / "table.json").symlink_to("../table.json")
    with pytest.raises(UserError, match=r"table\.json: is damaged: it links outside its folder"):
        render(folder, ReportConfig())


def test_a_table_that_cannot_be_read(table_folder):
    folder, _ = table_folder
    (folder / "table.json").write_text('{"rows": {}}')
    with pytest.raises(UserError, match="cannot be read as a table"):
        render(folder, ReportConfig())
