"""`gnn-distill probe`, and probing at the end of a run."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from gnn_distill.pipeline import finished_run
from gnn_distill.pipeline.finished_run import config_of, read_finished_run
from gnn_distill.storage.checksums import read_json

SMALL = (
    *("dataset=far_motif", "dataset.num_train=24", "dataset.num_val=20", "dataset.num_test=20", "tracker=none"),
    *("teacher.hidden_channels=8", "student.hidden_channels=8", "student.num_layers=2", "student.num_heads=2"),
    *("trainer.max_epochs=1", "pretrain.max_epochs=1", "trainer.threads=1", "trainer.accelerator=cpu"),
)
PROBES = ("probe.untrained=1", "probe.resamples=100", "probe.pairs=10")
VERSION_1 = Path(__file__).parents[1] / "storage" / "written_by_version_1" / "finished"


def contents(folder: Path) -> dict[str, str]:
    """Hashes of all files of a run but those of probes."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in ("probe.json", "profile.json")
    }


def test_probes_change_nothing_and_are_found_again(
    gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gnn_distill("train", *SMALL, "hydra.run.dir=run")[0] == 0
    before, random = contents(tmp_path / "run"), torch.random.get_rng_state()
    loaders = {name: Mock(wraps=getattr(finished_run, name)) for name in ("load_task", "load")}  # data and student
    for name, loader in loaders.items():
        monkeypatch.setattr(finished_run, name, loader)
    status, told, err = gnn_distill("probe", "run", "probe.name=first", *PROBES)
    assert (status, err) == (0, "")
    assert [loader.call_count for loader in loaders.values()] == [1, 1]  # once for probes and profiles
    assert "run/probe.json: written" in told
    rows = [line.split("|")[1].strip() for line in told.splitlines() if line.startswith("|")]
    assert rows[2:] == ["student untrained", "teacher untrained", "teacher", "student"]
    assert contents(tmp_path / "run") == before
    assert torch.equal(random, torch.random.get_rng_state())
    probe = read_json(tmp_path / "run" / "probe.json")
    assert set(probe["models"]) == {"student", "student untrained", "teacher", "teacher untrained"}
    assert set(read_json(tmp_path / "run" / "profile.json")["models"]) == {"student", "teacher"}
    assert "What reaches a node" in (tmp_path / "outputs" / "probe" / "first" / "report.html").read_text()

    status, told, _ = gnn_distill("probe", "run", "probe.name=second", *PROBES, "report.figures=svg")
    assert "influence_by_hop_far_motif.svg" in {
        file.name for file in (tmp_path / "outputs" / "probe" / "second" / "figures").iterdir()
    }
    page = (tmp_path / "outputs" / "probe" / "second" / "report.html").read_text()
    assert ">gnn-distill probe run probe.name=second" in page  # as it was typed
    assert "run/probe.json: found" in told
    assert "run/profile.json: found" in told
    assert read_json(tmp_path / "run" / "probe.json") == probe
    assert [loader.call_count for loader in loaders.values()] == [1, 1]
    status, told, _ = gnn_distill("probe", "run", "probe.name=third", *PROBES, "probe.types=2", "probe.profiles=false")
    assert "run/probe.json: written" in told
    assert "profile.json" not in told
    status, told, _ = gnn_distill("report", "run")
    assert status == 0
    assert "What is in the states: far_motif" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.slow
def test_probing_at_the_end_of_a_run_equals_the_command_and_changes_no_result(
    gnn_distill: Callable, tmp_path: Path
) -> None:
    assert gnn_distill("train", *SMALL, "hydra.run.dir=plain")[0] == 0
    status, _, err = gnn_distill("train", *SMALL, "hydra.run.dir=probed", "probe.at_end=true", *PROBES)
    assert (status, err) == (0, "")
    assert gnn_distill("probe", "plain", "probe.name=plain", *PROBES)[0] == 0
    summaries = [read_json(tmp_path / name / "summary.json") for name in ("plain", "probed")]
    for key in ("config_hash", "student", "teacher", "data", "best_epoch"):
        assert summaries[0][key] == summaries[1][key], key
    plain, probed = (read_json(tmp_path / name / "probe.json") for name in ("plain", "probed"))
    assert plain["models"] == probed["models"]
    assert plain["settings_hash"] == probed["settings_hash"]
    plain, probed = (read_json(tmp_path / name / "profile.json") for name in ("plain", "probed"))
    assert (plain["models"], plain["errors"]) == (probed["models"], probed["errors"])


@pytest.mark.slow
def test_runs_of_two_data_sets_of_one_name_are_refused(gnn_distill: Callable) -> None:
    for name, seed in (("one", 0), ("other", 1)):
        words = (f"dataset.num_train={24 + seed}", "teacher=none", f"hydra.run.dir={name}")
        assert gnn_distill("train", *SMALL, *words)[0] == 0
    status, _, err = gnn_distill("probe", "one", "other", *PROBES)
    assert status == 1
    assert "one and other have the same fold and seed, but different data" in err


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("probe.local=[3,2]", "probe.local=[3, 2]: must be the first and the last hop"),
        ("probe.far=[2,5]", "must begin beyond probe.local=[1, 2]"),
        ("probe.far=[5,50]", "from 1 to probe.hops=10"),
        ("probe.name=a/b", "must be a name, not a path"),
        ("probe.layers=some", "unknown choice"),
    ],
)
def test_wrong_settings_are_named(gnn_distill: Callable, word: str, message: str) -> None:
    status, _, err = gnn_distill("probe", ".", word)
    assert status == 1
    assert message in err


def test_a_folder_without_a_run_is_named(gnn_distill: Callable) -> None:
    assert "no finished run is here" in gnn_distill("probe", ".")[2]
    assert "probe.runs is empty" in gnn_distill("probe")[2]


def test_settings_of_an_older_run_are_read_with_todays_defaults() -> None:
    config = config_of(VERSION_1)
    assert (config.dataset.source, config.dataset.num_train, config.probe.at_end) == ("typed_edges", 12, False)
    assert read_finished_run(VERSION_1).config == config
