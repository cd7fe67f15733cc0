import glob
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf
from stub_wandb import STUB

from gnn_distill.config.schema.run import TrackerConfig
from gnn_distill.training.tracker import Tracker
from gnn_distill.training.tracking import cells, start_tracker


def config(**tracker):
    return OmegaConf.create({"tracker": OmegaConf.structured(TrackerConfig(**{"name": "wandb"} | tracker)), "seed": 3})


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """Put a wandb in front of the real one, which notes its calls; `extra` source makes it misbehave."""
    folder = tmp_path / "stub"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("STUB_LOG", str(tmp_path / "log"))
    monkeypatch.delenv("WANDB_MODE", raising=False)

    def install(extra=""):
        (folder / "wandb.py").write_text(STUB + extra)
        return lambda: [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]

    return install


def track(tmp_path, warnings, timeout=60.0, run_id=None, resumed=False, **tracker):
    """A run of two epochs; returns its hint."""
    cfg = config(**tracker)
    run = start_tracker(cfg, tmp_path, "student<-gin", "group", ["a"], warnings.append, run_id, resumed)
    (tmp_path / "log.go").touch()
    run.log("teacher", {"epoch": 1, "train/loss": 0.5})
    run.log("student", {"epoch": 1, "val/accuracy": float("nan")})
    run.summary({"student": {"test": {"accuracy": 0.5}}})
    run.image("figures/loss", str(tmp_path / "loss.png"))
    run.finish(timeout=timeout)
    return run.where.removeprefix("Weights & Biases: ")


def test_a_table_has_empty_cells_where_there_is_no_number(tmp_path, stub):
    calls, warnings = stub(), []
    run = start_tracker(config(), tmp_path, "table", warn=warnings.append)
    run.table("scores", *cells(pd.DataFrame({"row": ["a", "b"], "mean": [0.5, float("nan")], "pairs": [3, 0]})))
    run.finish(timeout=60.0)
    assert warnings == []
    assert ["log", {"scores": [["row", "mean", "pairs"], [["a", 0.5, 3], ["b", None, 0]]]}] in calls()


def test_no_places_reach_the_tracker(tmp_path, stub, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls, warnings = stub(), []
    cfg = OmegaConf.merge(config(), {"paths": {"mirror": "/srv/me/data", "store": f"{tmp_path}/store"}})
    run = start_tracker(cfg, tmp_path, "name", warn=warnings.append)
    run.summary({"notices": [f"Note: {tmp_path}/a.csv"]})
    run.finish(timeout=60.0)
    assert warnings == []
    told = [call for call in calls() if call[0] not in ("settings", "define")]
    assert told[0][1]["config"]["paths"] == {"mirror": "…/data", "store": "store"}
    assert told[1] == ["summary", {"notices": ["Note: a.csv"]}]


def test_everything_reaches_the_run_in_order(tmp_path, stub):
    calls, warnings = stub(), []
    hint = track(tmp_path, warnings, tags=["b"], project="p", group=None)
    assert warnings == []
    assert hint.startswith("wandb sync ")
    calls = [call for call in calls() if call[0] not in ("settings", "define")]
    assert calls[0][1] == {
        **{"mode": "offline", "project": "p", "entity": None, "group": "group", "name": "student<-gin"},
        **{"tags": ["b", "a"], "dir": str(tmp_path), "config": OmegaConf.to_container(config(tags=["b"], project="p"))},
    }
    assert calls[1] == ["log", {"teacher/epoch": 1, "teacher/train/loss": 0.5}]
    assert calls[2][1].keys() == {"student/epoch", "student/val/accuracy"}
    assert calls[3] == ["summary", {"student": {"test": {"accuracy": 0.5}}}]
    assert calls[4] == ["log", {"figures/loss": str(tmp_path / "loss.png")}]
    assert calls[5] == ["finish", 0]


def test_all_parts_of_a_run_that_went_on_are_to_be_synced(tmp_path, stub):
    parts = [tmp_path / "wandb's" / f"offline-run-2026010{day}_120000-1a2b" for day in (1, 2, 3)]
    for folder in (*parts, parts[0].with_name("offline-run-20260102_130000-other")):
        folder.mkdir(parents=True)
    (parts[1] / "run-1a2b.wandb.synced").touch()
    stub(f"Run.settings.sync_dir = {str(parts[2])!r}")
    kind, command, *folders = shlex.split(track(tmp_path, []))
    assert (kind, command) == ("wandb", "sync")
    assert [Path(folder).resolve() for folder in folders] == [parts[0], parts[2]]
    online = parts[0].with_name("run-20260104_120000-1a2b")
    stub(f"Run.settings.sync_dir = {str(online)!r}")
    url, said = track(tmp_path, [], mode="online").split(", and ")
    assert url == "https://example.org/run"
    assert [Path(folder).resolve() for folder in shlex.split(said)[2:]] == [parts[0], parts[2]]


FAULTS = {
    "import": ("raise ImportError('no wandb here')", "no wandb here"),
    "broken import": ("import no_such_module", "no_such_module"),
    "init": ("def init(**_): raise PermissionError('folder')", "folder"),
    "exit": ("def init(**_): os._exit(3)", "did not start"),
    "login": ("def init(**_): input('key: '); open('/dev/tty')", "Error"),
}


@pytest.mark.parametrize(("extra", "words"), FAULTS.values(), ids=FAULTS)
def test_a_wandb_that_cannot_start_costs_one_warning(tmp_path, stub, extra, words, monkeypatch):
    monkeypatch.setenv("STUB_WAITS", "1")  # until the run has begun: a run that waited for it would never begin
    stub(extra)
    warnings = []
    hint = track(tmp_path, warnings)
    assert hint == ""
    assert len(warnings) == 1
    assert words in warnings[0]


@pytest.mark.parametrize("method", ["log", "finish"])
def test_a_wandb_that_fails_later_costs_one_warning(tmp_path, stub, method):
    calls = stub(f"def fail(*_, **__): raise OSError('No space left on device')\nRun.{method} = fail")
    warnings = []
    hint = track(tmp_path, warnings)
    assert hint.startswith("wandb sync ")
    assert len(warnings) == 1
    assert "No space left on device" in warnings[0]
    assert ["summary", {"student": {"test": {"accuracy": 0.5}}}] in calls()


HANGS = {
    "import": "time.sleep(60)",
    "init": "def init(**_): time.sleep(60)",
    "log": "Run.log = lambda *_: time.sleep(60)",
    "finish": "Run.finish = lambda *_, **__: time.sleep(60)",
}


@pytest.mark.parametrize("extra", HANGS.values(), ids=HANGS)
def test_a_wandb_that_hangs_is_left_behind(tmp_path, stub, extra):
    stub(extra)
    warnings, cfg = [], config()
    begin = time.monotonic()
    run = start_tracker(cfg, tmp_path, "name", warn=warnings.append)
    for epoch in range(20_000):  # more than are kept, and than a pipe holds
        run.log("student", {"epoch": epoch, "train/loss": 0.5})
    assert time.monotonic() - begin < 30.0
    time.sleep(1.0)
    ending = time.monotonic()
    run.finish(timeout=1.0)
    assert time.monotonic() - ending < 30.0
    run._process.kill()
    assert len(warnings) == 1


def test_a_tracker_that_is_killed_costs_one_warning(tmp_path, stub):
    stub("def die(*_): os.kill(os.getpid(), 9)\nRun.log = die")
    warnings = []
    assert track(tmp_path, warnings).startswith("wandb sync ")
    (warning,) = warnings
    assert warning.startswith("Weights & Biases has ended before the run did.")


def test_files_that_are_too_large_are_named_and_left_out(tmp_path, stub):
    calls, warnings = stub(), []
    small, large = tmp_path / "student.json", tmp_path / "student.safetensors"
    small.write_text("{}")
    large.write_bytes(bytes(3_200_000))
    run = start_tracker(config(artifact_mb=2.0), tmp_path, "name", warn=warnings.append)
    run.artifact("student", "model", [str(small), str(large)])
    run.finish(timeout=60.0)
    assert warnings == [
        "Weights & Biases gets no copy of student.safetensors: its 3 MiB are more than tracker.artifact_mb=2."
    ]
    assert ["artifact", ["student-0badcafe", "model", str(small), "config.json"]] in calls()


def test_online_without_a_key_asks_nobody_and_goes_offline(tmp_path, stub):
    extra = "\ndef init(mode, settings, **_):\n    if mode == 'online': raise ValueError('no key')\n    return Run()\n"
    stub(extra)
    warnings = []
    hint = track(tmp_path, warnings, mode="online")
    assert hint.startswith("wandb sync ")
    assert len(warnings) == 1
    assert "no key" in warnings[0]


def test_online_hint_is_the_address(tmp_path, stub):
    stub()
    warnings = []
    assert track(tmp_path, warnings, mode="online") == "https://example.org/run"
    assert warnings == []


def test_a_run_that_dies_still_closes_its_tracker(tmp_path, stub):
    calls = stub()
    code = (
        "import os, time\nfrom omegaconf import OmegaConf\nfrom gnn_distill.config.schema.run import TrackerConfig\n"
        "from gnn_distill.training.tracking import start_tracker\n"
        "cfg = OmegaConf.create({'tracker': OmegaConf.structured(TrackerConfig(name='wandb'))})\n"
        f"run = start_tracker(cfg, {str(tmp_path)!r}, 'name')\n"
        "run.log('student', {'epoch': 1})\ntime.sleep(0.5)\nos._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    for _ in range(100):
        if (tmp_path / "log").exists() and calls()[-1] == ["finish", 1]:
            break
        time.sleep(0.1)
    assert ["log", {"student/epoch": 1}] in calls()
    assert calls()[-1] == ["finish", 1]  # it counts as failed


def test_disabled_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert type(start_tracker(config(), tmp_path, "name")) is Tracker


def test_none_starts_no_process_and_imports_no_wandb(tmp_path):
    code = (
        "import subprocess, sys\nsubprocess.Popen = None\n"
        "from omegaconf import OmegaConf\nfrom gnn_distill.training.tracking import start_tracker\n"
        "run = start_tracker(OmegaConf.create({'tracker': {'name': 'none'}}), '.', 'name')\n"
        "run.log('teacher', {'epoch': 1})\nrun.summary({})\nrun.image('a', 'b')\nrun.finish()\nassert run.where == ''\n"
        "sys.exit(bool({'wandb', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


def test_the_real_wandb_writes_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    from matplotlib.figure import Figure

    Figure().savefig(tmp_path / "loss.png")
    warnings = []
    hint = track(tmp_path, warnings, timeout=30.0)
    assert warnings == []
    (folder,) = glob.glob(str(tmp_path / "wandb" / "offline-run-*"))
    assert os.path.samefile(hint.removeprefix("wandb sync "), folder)
    record = b"".join(Path(path).read_bytes() for path in glob.glob(f"{folder}/*.wandb"))
    assert b"teacher/train/loss" in record
    assert b"student<-gin" in record
    assert glob.glob(f"{folder}/files/media/images/**/*.png", recursive=True)


def test_a_run_that_goes_on_is_the_same_run(tmp_path, stub):
    calls, warnings = stub(), []
    track(tmp_path, warnings, run_id="0badcafe")
    track(tmp_path, warnings, run_id="0badcafe", resumed=True)
    assert warnings == []
    started = [arguments for name, arguments in (call[:2] for call in calls() if call[0] == "init")]
    assert [(told["id"], told["resume"]) for told in started] == [("0badcafe", None), ("0badcafe", "allow")]


@pytest.mark.slow
def test_the_real_wandb_goes_on_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    from matplotlib.figure import Figure

    Figure().savefig(tmp_path / "loss.png")
    warnings = []
    track(tmp_path, warnings, timeout=30.0, run_id="0badcafe")
    time.sleep(1.1)  # wandb names folders by the second
    track(tmp_path, warnings, timeout=30.0, run_id="0badcafe", resumed=True)
    assert warnings == []
    assert len(glob.glob(str(tmp_path / "wandb" / "offline-run-*-0badcafe"))) == 2
