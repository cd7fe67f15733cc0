"""docs/extending.md runs as it is written."""

import csv
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gnn_distill import extending, load
from gnn_distill.config.schema.data import DatasetConfig, PathsConfig

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()
FILES = dict(re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE))
BLOCKS = [block.splitlines() for block in re.findall(r"^```bash\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Your folder, after all commands."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "OMP_NUM_THREADS": "1"}
    environment.pop("GNN_DISTILL_MIRROR", None)

    def run(block: list[str]) -> None:
        for command in block:
            done = subprocess.run(shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            (folder / f"{' '.join(command.split()[:2])}.out").write_text(done.stdout)

    with ThreadPoolExecutor() as pool:  # most of the time goes to importing torch
        list(pool.map(run, BLOCKS))
    return folder


def test_the_page_makes_the_folder_that_it_shows(folder: Path) -> None:
    tree = re.search(r"```text\n(.*?)```", PAGE, flags=re.DOTALL)[1]
    shown = {line.split()[0] for line in tree.splitlines()} - {"mine/", "conf/"}
    assert shown == {name.removeprefix("mine/").removeprefix("conf/") for name in FILES}
    assert sum(map(len, BLOCKS)) == 9


def test_files_of_ones_own_build_on_one_module_alone() -> None:
    text = "\n".join(FILES.values())
    assert {*re.findall(r"from (gnn_distill[\w.]*) import", text)} == {"gnn_distill.extending"}
    assert "import gnn_distill" not in text
    told = {*re.findall(r"`(\w+)", PAGE)} | {*re.findall(r"\b\w+\b", text)}
    assert {*extending.__all__} - {
        "Representations",
        "GraphBatch",
        "StructureBatch",
        "TaskSpec",
        "GraphTask",
        "UserError",
    } <= told
    assert all(hasattr(extending, name) for name in extending.__all__)


def test_own_loss_is_a_term_of_the_run(folder: Path) -> None:
    (run,) = (folder / "outputs" / "train").glob("*_far_motif_small_graphormer-gin_s0")
    with (run / "metrics.csv").open() as file:
        (row,) = (row for row in csv.DictReader(file) if row["stage"] == "student")
    assert float(row["train/own_hubs"]) > 0
    assert float(row["train/own_hubs.weighted"]) == pytest.approx(0.5 * float(row["train/own_hubs"]))
    assert not any("align" in column and value for column, value in row.items())


def test_own_data_teacher_and_student(folder: Path) -> None:
    (run,) = (folder / "outputs" / "train").glob("*_rings_mine.deep_sets-mine.chain_gnn_s0")
    summary = json.loads((run / "summary.json").read_text())
    assert sum(summary["split"]["sizes"].values()) == 200
    assert {"teacher", "student"} <= summary.keys()
    assert "rwse: 16" in (run / ".hydra" / "config.yaml").read_text()


def test_the_student_says_of_own_graphs_what_it_said_in_training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = (folder / "outputs" / "train").glob("*_rings_mine.deep_sets-mine.chain_gnn_s0")
    monkeypatch.syspath_prepend(folder)
    rings = importlib.import_module("mine.rings")
    random = torch.Generator().manual_seed(0)
    raw = [rings.ring(random) for _ in range(200)]
    dataset = DatasetConfig(source="mine.rings", name="rings", kwargs={"num_graphs": 200})
    test = extending.load_task(dataset, PathsConfig()).splits.test
    said = load(run, own_module=True).predict(raw)[test, 0] > 0.5
    right = said == torch.stack([data.y[0] for data in raw])[test].bool()
    score = json.loads((run / "summary.json").read_text())["student"]["test"]["accuracy"]
    assert right.double().mean().item() == pytest.approx(score, abs=1e-6)


def test_own_tracker_gets_every_epoch(folder: Path) -> None:
    lines = (folder / "tracked" / "lines.txt").read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [["student", "epoch=1"]]
    assert "tracked/lines.txt" in (folder / "tracked" / "console.log").read_text()


def test_own_files_are_listed(folder: Path) -> None:
    row = next(
        line for line in (folder / "gnn-distill datasets.out").read_text().splitlines() if line.startswith("rings ")
    )
    assert row.split()[1:4] == ["binary", "by", "set"]
    models = (folder / "gnn-distill models.out").read_text()
    assert re.search(r"^teacher=chain_gnn +graph, node +edges +Higher-order", models, flags=re.MULTILINE)
    assert re.search(r"^student=deep_sets +graph, node +encodings +Deep sets", models, flags=re.MULTILINE)


def test_a_pretrained_teacher_is_not_trained(folder: Path) -> None:
    (run,) = (folder / "outputs" / "train").glob("*_rings_graphormer-custom_s0")
    kept, given = load_file(run / "checkpoints" / "teacher.safetensors"), torch.load(folder / "plain_gnn.pt")
    assert len(given) == 6
    for name, value in given.items():
        (same,) = (tensor for key, tensor in kept.items() if key.endswith(name))
        assert torch.equal(same, value)
    with (run / "metrics.csv").open() as file:
        assert {row["stage"] for row in csv.DictReader(file)} == {"student"}
    assert json.loads((run / "summary.json").read_text())["teacher"]["val"]
