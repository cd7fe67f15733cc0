"""`gnn-distill table table.probe=true`: what is probed, what is not probed again, and what the table shows of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from small_tables import SMALL

from gnn_distill.results.grids import grids
from gnn_distill.results.table_files import read_table

pytestmark = pytest.mark.usefixtures("no_figures")

PLAIN = (*SMALL, "table.sizes.smoke.rows=[teacher,alone,kd]", "table.reference=alone", "table.title=Toy")
PROBES = (
    *("probe.untrained=1", "probe.resamples=100", "probe.pairs=5", "probe.layers=last", "probe.hops=8"),
    *("probe.profile_graphs=4", "probe.samples=1"),
)
PROBED = (*PLAIN, "table.probe=true", *PROBES)
FOLDER = Path("outputs", "tables", "main", "smoke")


def probed(folder: Path) -> dict[str, int]:
    """When probe.json and profile.json were written, by row and pair of the run."""
    files = [*folder.glob("outputs/cells/*/probe.json"), *folder.glob("outputs/cells/*/profile.json")]
    return {f"{'-'.join(file.parent.name.split('-')[1:3])} {file.stem}": file.stat().st_mtime_ns for file in files}


@pytest.mark.slow
def test_a_table_probes_each_run_once_and_shows_what_was_found(gnn_distill: Callable, tmp_path: Path) -> None:
    status, _, err = gnn_distill(*PLAIN)
    assert (status, err) == (0, "")
    plain = {name: (FOLDER / name).read_text() for name in ("table.md", "table.json", "table.csv", "runs.csv")}
    status, out, _ = gnn_distill(*PROBED, "table.run=false")
    assert status == 0
    assert "No run is probed." in out
    assert not probed(tmp_path)

    status, out, err = gnn_distill(*PROBED)
    assert (status, err) == (0, "")
    assert "Probes: 4 made, 0 found, 0 failed." in out
    # The teacher of a row of teachers is probed beside its student.
    students = [
        f"{row}-seed{seed} {kind}" for row in ("alone", "kd") for seed in (0, 1) for kind in ("probe", "profile")
    ]
    assert sorted(probed(tmp_path)) == sorted(students)
    shown = {grid.key: grid for grid in grids(read_table(FOLDER))}
    assert {"verdicts", "local", "local-gains", "far", "range"} <= shown.keys()
    assert "local_all" not in shown  # probe.layers=last
    values = json.loads((FOLDER / "table.json").read_text())
    cells = {(cell["row"], cell["pairs"]) for cell in values["further"][0]["cells"]}
    assert cells == {("teacher", 2), ("alone", 2), ("kd", 2)}
    file = next(tmp_path.glob("outputs/cells/*-kd-seed0-*/probe.json"))
    found = json.loads(file.read_text())["models"]["teacher"]["states"]["last"]["local"]["value"]
    teacher = next(cell for cell in values["further"][0]["cells"] if cell["row"] == "teacher")
    assert teacher["values"]["seed 0"] == pytest.approx(found)
    assert shown["results"] == {grid.key: grid for grid in grids_of(plain["table.json"], tmp_path)}["results"]
    assert "what models are not given" in (FOLDER / "report.html").read_text()

    made = probed(tmp_path)
    file.write_bytes(file.read_bytes()[:-30])  # as a full disk leaves it
    _, out, _ = gnn_distill(*PROBED)
    assert "Probes: 1 made, 3 found, 0 failed." in out
    assert {name for name, when in probed(tmp_path).items() if when != made[name]} == {"kd-seed0 probe"}

    whole = (FOLDER / "table.md").read_text()
    rows = tmp_path / "rows.csv"
    (FOLDER / "runs.csv").rename(rows)
    (tmp_path / "outputs").rename(tmp_path / "gone")
    words = (*PROBED, "table.run=false", f"table.search=[{rows}]", "table.cells=nowhere")
    assert gnn_distill(*words)[0] == 0
    assert (FOLDER / "table.md").read_text() == whole
    assert gnn_distill(*PLAIN, *words[len(PROBED) :])[0] == 0
    for name in ("table.md", "table.json", "table.csv"):
        assert (FOLDER / name).read_text() == plain[name], name
    assert {*pd.read_csv(FOLDER / "runs.csv").columns} > {
        *pd.read_csv(pd.io.common.StringIO(plain["runs.csv"])).columns
    }


def grids_of(text: str, folder: Path) -> list:
    """The panels of a table.json."""
    (folder / "again").mkdir()
    (folder / "again" / "table.json").write_text(text)
    return grids(read_table(folder / "again"))


def test_wrong_settings_of_probes_are_named(gnn_distill: Callable) -> None:
    status, _, err = gnn_distill(*PLAIN, "table.probe=true", "probe.local=[3,2]")
    assert status == 1
    assert "probe.local=[3, 2]: must be the first and the last hop" in err
