import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import DictConfig

from gnn_distill.cli.datasets import describe, files
from gnn_distill.cli.main import CONF_DIR
from gnn_distill.config.catalogue import choices, read_preset
from gnn_distill.config.schema.data import DatasetConfig, PathsConfig

FOLDER = CONF_DIR / "dataset"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PathsConfig:
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    return PathsConfig(data=str(tmp_path / "data"), mirror=str(tmp_path))


@pytest.mark.parametrize("name", choices([FOLDER]))
def test_every_file_says_what_it_is(name: str, paths: PathsConfig) -> None:
    config = read_preset(name, [FOLDER], DatasetConfig)
    row = describe(name, config, paths)
    assert all(row)
    assert (FOLDER / f"{name}.yaml").read_text().startswith("# ")


def test_where_the_files_lie(paths: PathsConfig, tmp_path: Path) -> None:
    config = read_preset("hiv", [FOLDER], DatasetConfig)
    assert describe("hiv", config, paths)[4] == "to download"
    for root, answer in ((tmp_path, "in the mirror"), (tmp_path / "data", "here")):
        raw = root / "MoleculeNet" / "hiv" / "raw"
        raw.mkdir(parents=True)
        (raw / "HIV.csv").write_text("")
        assert describe("hiv", config, paths)[4] == answer


def test_own_files_may_inherit_from_ours(tmp_path: Path, paths: PathsConfig) -> None:
    (tmp_path / "mine.yaml").write_text(
        "defaults: [nci1, {override /trainer: long}, _self_]\nfold: 3\ncard: {about: my fold}\n"
    )
    folders = [FOLDER, tmp_path]
    assert "mine" in choices(folders)
    row = describe("mine", read_preset("mine", folders, DatasetConfig), paths)
    assert row[:4] == ("mine", "binary", "accuracy", "4,110")
    assert row[-1] == "my fold"


def test_own_files_need_neither_schema_nor_card(tmp_path: Path, paths: PathsConfig) -> None:
    (tmp_path / "rings.yaml").write_text("source: mine.rings\nname: rings\n")
    assert describe("rings", read_preset("rings", [tmp_path], DatasetConfig), paths) == (
        *("rings", "any", "by set", "any", "", "your own"),
    )


def test_files_of_a_mirror_may_lie_beside_raw(paths: PathsConfig, tmp_path: Path) -> None:
    home = tmp_path / "LRGB" / "peptides-func"
    home.mkdir(parents=True)
    (home / "splits.pickle").write_text("")
    assert describe("peptides_func", read_preset("peptides_func", [FOLDER], DatasetConfig), paths)[4] == "in the mirror"


def test_command_prints_a_table_without_torch(tmp_path: Path) -> None:
    code = "import sys; from gnn_distill.cli.main import main; main(); assert 'torch' not in sys.modules"
    command = [sys.executable, "-c", code, "datasets", f"paths.data={tmp_path}"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["dataset", "task", "metric", "graphs", "files", "what"]
    assert {line.split()[0] for line in lines[1:]} == set(choices([FOLDER]))
    assert list(tmp_path.iterdir()) == []


def test_a_source_without_raw_files_is_generated_and_one_of_ones_own_is_unknown(paths: PathsConfig) -> None:
    told = {source: files(DictConfig({"source": source, "name": "rings"}), paths) for source in ("rings", "mine.rings")}
    assert told == {"rings": "generated", "mine.rings": ""}
    assert files(read_preset("smiles", [FOLDER], DatasetConfig), paths) == "your file"
