"""`gnn-distill train resume=RUN_DIR`, and what signals do to a run."""

import errno
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from omegaconf import OmegaConf
from safetensors.torch import load_file
from small_tables import SMALL as SMALL_TABLE
from small_tables import summaries

from gnn_distill.config.naming import folder_of_models
from gnn_distill.config.quoting import for_hydra
from gnn_distill.formatting import ROLES
from gnn_distill.interruption import Interruption
from gnn_distill.pipeline.runtime import Runtime
from gnn_distill.storage import files
from gnn_distill.storage.checksums import read_json, write_json
from gnn_distill.storage.run_directory import read_metrics
from gnn_distill.training.checkpointer import Checkpointer

pytestmark = pytest.mark.usefixtures("no_figures")

SMALL = (
    *("train", "dataset=typed_edges"),
    *("dataset.num_train=24", "dataset.num_val=12", "dataset.num_test=12", "trainer.max_epochs=3"),
    "pretrain.max_epochs=3",
    *("trainer.threads=1", "trainer.accelerator=cpu", "tracker=none", "trainer.batch_size=8"),
    *("teacher.hidden_channels=8", "student.hidden_channels=8", "student.num_layers=2"),
)


@contextmanager
def signalled(monkeypatch: pytest.MonkeyPatch, stage: str, epoch: int, number: int = signal.SIGTERM) -> Iterator[None]:
    """A signal reaches this process while that epoch is being recorded."""
    record = Runtime.record

    def record_and_stop(runtime: Runtime, kind: str, *rows: dict[str, float]) -> None:
        record(runtime, kind, *rows)
        if kind == stage and epoch in {row["epoch"] for row in rows}:
            signal.raise_signal(number)

    with monkeypatch.context() as patch:
        patch.setattr(Runtime, "record", record_and_stop)
        yield


def summary_of(folder: str) -> dict:
    return json.loads(Path(folder, "summary.json").read_text())


@pytest.mark.parametrize(
    ("stage", "number"), [("teacher", signal.SIGUSR1), ("student", signal.SIGTERM), ("alone", signal.SIGTERM)]
)
def test_a_run_that_a_signal_stopped_goes_on_to_the_same_end(
    stage: str, number: int, gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpointer, "SHARE", 1e9)
    words = (*SMALL, *(["alone=true"] if stage == "alone" else []))
    assert gnn_distill(*words, "hydra.run.dir=whole", "paths.store=one")[0] == 0
    with signalled(monkeypatch, stage, 2, number):
        status, out, err = gnn_distill(*words, "hydra.run.dir=run", "paths.store=two")
    assert (status, err) == (75, "")
    assert f"Warning: Stopped by {signal.Signals(number).name}. Resume with: gnn-distill train resume=" in out
    assert not Path("run/summary.json").exists()
    assert signal.getsignal(number) == signal.SIG_DFL
    settings = Path("run/.hydra/config.yaml").read_text()

    status, out, err = gnn_distill("train", "resume=run")
    assert (status, err) == (0, "")
    assert f"Note: Resuming the {ROLES[stage]} after epoch 2." in out
    whole, run = summary_of("whole"), summary_of("run")
    assert (run["resumed"], whole["resumed"]) == (1, 0)
    for key in ("teacher", "student", "alone", "best_epoch", "epochs", "config_hash", "reused", "parameters"):
        assert run.get(key) == whole.get(key), key
    one, other = load_file("whole/student.safetensors"), load_file("run/student.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in one)
    rows = [read_metrics(folder) for folder in ("whole", "run")]
    for told in rows:
        for columns in told.values():
            columns.pop("seconds")
    assert rows[0] == rows[1]
    assert Path("run/.hydra/config.yaml").read_text() == settings

    status, out, err = gnn_distill("train", "resume=run")
    assert (status, out, err) == (0, "run: this run is finished; there is nothing left to do.\n", "")


def test_only_places_may_change(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    with signalled(monkeypatch, "student", 1):
        assert gnn_distill(*SMALL, "hydra.run.dir=run")[0] == 75
    status, _, err = gnn_distill("train", "resume=run", "optim.lr=0.5", "student=gps")
    assert status == 1
    assert "resume=run: the settings of a resumed run cannot change: " in err
    assert "student.name was graphormer, is gps; " in err
    assert "Leave these out, or start a new run." in err
    status, _, err = gnn_distill(*SMALL, "hydra.run.dir=run")
    assert status == 1
    assert "this folder holds an unfinished run. Resume it: gnn-distill train resume=" in err
    assert gnn_distill("train", "resume=run", "paths.store=elsewhere", "trainer.max_epochs=3", "tracker=none")[0] == 0
    assert summary_of("run")["student"]


def test_a_run_that_kept_nothing_starts_over(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("gnn_distill.pipeline.run.load_task", lambda *_: signal.raise_signal(signal.SIGTERM))
        assert gnn_distill(*SMALL, "hydra.run.dir=run")[0] == 75
    status, out, err = gnn_distill("train", "resume=run")
    assert (status, err) == (0, "")
    assert "Resuming" not in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("resume=nowhere",), "resume=nowhere: this is not the folder of a started run: it has no run.json."),
        (("resume=a", "resume=b"), "resume=a, b: only one run at a time can be resumed, and without -m."),
        (("resume=a", "-m"), "resume=a: only one run at a time can be resumed, and without -m."),
    ],
)
def test_what_cannot_be_gone_on_with_is_told(words: tuple[str, ...], said: str, gnn_distill: Callable) -> None:
    assert gnn_distill("train", *words) == (1, "", f"gnn-distill train: {said}\n")


def test_a_run_whose_data_have_changed_is_refused(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("some.csv").write_text("smiles,y\n" + "".join(f"{'C' * n},{n}\n" for n in range(1, 30)))
    csv = (
        "dataset=smiles",
        "dataset.name=mine",
        "dataset.path=some.csv",
        "dataset.target_columns=[y]",
    )
    words = [word for word in SMALL if not word.startswith("dataset")]
    with signalled(monkeypatch, "student", 1):
        status, _, err = gnn_distill(*words, *csv, "hydra.run.dir=run")
    assert (status, err) == (75, "")
    with open("some.csv", "a") as file:
        file.write("CCO,3\n")
    status, _, err = gnn_distill("train", "resume=run")
    assert status == 1
    assert "the data, weights or modules that they name have changed since it started" in err


def test_another_version_of_the_code_is_told(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    from gnn_distill.pipeline import run as train

    with signalled(monkeypatch, "student", 1):
        assert gnn_distill(*SMALL, "hydra.run.dir=run")[0] == 75
    now = train.environment("cpu")
    monkeypatch.setattr(train, "environment", lambda *_: now | {"code": now["code"] | {"sources": "other"}})
    status, out, _ = gnn_distill("train", "resume=run")
    assert status == 0
    assert "This run started with another code: its result may differ from that of an uninterrupted run." in out


def test_settings_are_read_from_the_run_and_not_from_todays_configs(
    gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    with signalled(monkeypatch, "student", 1):
        assert gnn_distill(*SMALL, "hydra.run.dir=run", "optim.lr=0.003")[0] == 75
    overrides = Path("run/.hydra/overrides.yaml")  # as if the file of another version had another default
    overrides.write_text("".join(line for line in overrides.read_text().splitlines(True) if "optim.lr" not in line))
    assert gnn_distill("train", "resume=run")[0] == 0
    assert OmegaConf.load("run/.hydra/config.yaml").optim.lr == 0.003
    assert max(read_metrics("run")["student"]["lr"]) > 0.001


def test_a_cell_of_a_table_goes_on(gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Checkpointer, "SHARE", 1e9)
    fewer = ("table.sizes.smoke.rows=[kd]", "table.sizes.smoke.pairs.seed=[0]")
    with signalled(monkeypatch, "student", 1):
        status, _, err = gnn_distill(*SMALL_TABLE, *fewer)
    assert status == 75
    assert "gnn-distill table: stopped by SIGTERM. Start the same command again to continue." in err
    assert gnn_distill(*SMALL_TABLE, *fewer)[0] == 0
    (folder,) = tmp_path.glob("outputs/cells/*")
    assert summary_of(str(folder))["resumed"] == 1
    assert len(summaries(tmp_path)) == 1


def test_a_handler_of_somebody_else_is_left_alone() -> None:
    heard = []
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
    try:
        with Interruption():
            signal.raise_signal(signal.SIGUSR1)
        assert heard == [1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_table_that_was_moved_is_gone_on_with(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("some.csv").write_text("smiles,y\n" + "".join(f"{'C' * n},{n / 2}\n" for n in range(1, 30)))
    words = [word for word in SMALL if not word.startswith("dataset")]
    csv = ("dataset=smiles", "dataset.path=some.csv", "hydra.run.dir=run")
    with signalled(monkeypatch, "student", 1):
        assert gnn_distill(*words, *csv)[0] == 75
    Path("some.csv").rename("other.csv")
    status, _, err = gnn_distill("train", "resume=run")
    assert (status, err.startswith("gnn-distill train: dataset.path=some.csv: this file does not exist.")) == (1, True)
    Path("changed.csv").write_text(Path("other.csv").read_text() + "CCO,3\n")
    status, _, err = gnn_distill("train", "resume=run", "dataset.path=changed.csv")
    assert status == 1
    assert "the data, weights or modules that they name have changed since it started" in err
    status, _, err = gnn_distill("train", "resume=run", "dataset.path=other.csv")
    assert (status, err) == (0, "")
    summary = summary_of("run")
    assert (summary["dataset"], summary["name"], summary["resumed"]) == ("other", "graphormer<-gin other s0", 1)


def contents(folder: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in Path(folder).rglob("*") if file.is_file()}


def test_a_refused_command_leaves_the_runs_it_names_as_they_were(
    gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gnn_distill(*SMALL, "hydra.run.dir=old/0")[0] == 0
    with signalled(monkeypatch, "teacher", 1):
        assert gnn_distill(*SMALL, "hydra.run.dir=new/0", "paths.store=other")[0] == 75
    Path("sweep").mkdir()
    Path("sweep/multirun.yaml").touch()
    before = contents("old"), contents("new")
    for words, said in {
        ("optim.lr=0.5", "hydra.run.dir=old/0"): "holds a finished run",
        ("optim.lr=0.5", "hydra.run.dir=new/0"): "holds an unfinished run",
        ("optim.lr=-1", "hydra.run.dir=new/0"): "optim.lr=-1.0: must be above 0",
        ("-m", "optim.lr=0.5,0.6", "hydra.sweep.dir=new/0"): "hydra.sweep.dir=new/0: this folder holds a run",
        ("-m", "optim.lr=0.5,0.6", "hydra.sweep.dir=sweep"): "hydra.sweep.dir=sweep: this folder holds a sweep",
        # a sweep whose folders have names of their own may join others, but not write over them
        ("-m", "seed=7", "hydra.sweep.dir=old", "hydra.sweep.subdir=0"): "holds a finished run",
        ("-m", "seed=7", "hydra.sweep.dir=new", "hydra.sweep.subdir=0"): "holds an unfinished run",
    }.items():
        status, _, err = gnn_distill("train", *words, *SMALL[1:])
        assert status == 1
        assert said in err, words
        for folder, kept in zip(("old", "new"), before, strict=True):
            assert {name: text for name, text in contents(folder).items() if name != "multirun.yaml"} == kept, words
    assert not contents("sweep")["multirun.yaml"]
    assert gnn_distill("train", "resume=new/0")[0] == 0
    assert summary_of("new/0")["student"] == summary_of("old/0")["student"]


LOST = {
    "all": lambda folder: shutil.rmtree(folder),
    "empty words": lambda folder: (folder / "overrides.yaml").write_text(""),
    "torn": lambda folder: (folder / "config.yaml").write_bytes(b"\xff: ["),
    "half written": lambda folder: (folder / "hydra.yaml").unlink(),
}


def test_a_run_goes_on_whatever_becomes_of_hydras_files(
    gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "gnn_distill.training.tracking.TrackerProcess.__init__", lambda *_: pytest.fail("W&B is started")
    )
    Path("mine/optim").mkdir(parents=True)
    Path("mine/optim/quick.yaml").write_text("lr: 0.003\n")
    with signalled(monkeypatch, "teacher", 1):
        assert gnn_distill("train", "--config-dir=mine", *SMALL[1:], "optim=quick", "hydra.run.dir=run")[0] == 75
    kept = contents("run/.hydra")
    assert {*kept} == {"config.yaml", "overrides.yaml", "hydra.yaml"}
    for damage in LOST.values():
        damage(tmp_path / "run" / ".hydra")
        with signalled(monkeypatch, "teacher", 2):
            assert gnn_distill("train", "resume=run")[0] == 75
        assert contents("run/.hydra") == kept
    assert gnn_distill("train", "resume=run")[0] == 0
    assert max(read_metrics("run")["student"]["lr"]) > 0.001
    assert summary_of("run")["resumed"] == len(LOST) + 1


def test_a_run_of_an_older_version_whose_words_are_lost_is_refused(
    gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    with signalled(monkeypatch, "teacher", 1):
        assert gnn_distill(*SMALL, "hydra.run.dir=run")[0] == 75
    facts = read_json(Path("run/run.json"))
    del facts["settings"]
    write_json(Path("run/run.json"), facts)
    words = Path("run/.hydra/overrides.yaml").read_text()
    Path("run/.hydra/overrides.yaml").write_text("")
    status, _, err = gnn_distill("train", "resume=run")
    assert status == 1
    assert "run/.hydra/overrides.yaml: is not a list of overrides." in err
    Path("run/.hydra/overrides.yaml").write_text(words)
    assert gnn_distill("train", "resume=run")[0] == 0


@pytest.mark.parametrize("words", [(*SMALL, "hydra.run.dir=run"), ("train", "resume=run")], ids=["anew", "resume"])
def test_what_another_process_writes_is_left_to_it(
    words: tuple[str, ...], gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnn_distill.storage.run_lock.LOCK_TIMEOUT", 0.05)
    with signalled(monkeypatch, "teacher", 1):
        assert gnn_distill(*SMALL, "hydra.run.dir=run")[0] == 75
    Path("run/checkpoints/.last.safetensors.1.tmp").write_text("what it is about to rename")
    before = contents("run")
    with FileLock("run/running.lock"):
        status, out, err = gnn_distill(*words)
        assert (status, out) == (1, "")
        assert "run: another process is writing to this folder. Wait for it, or choose another folder.\n" in err
        assert contents("run") == before


def test_signals_are_heard_from_the_start(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    def stop_and_fail(*_: object, **__: object) -> None:
        try:
            stop()
        except BaseException as error:  # as the import of a module in C does
            raise ImportError("initialization failed") from error

    def stop_unheard(*_: object, **__: object) -> None:
        with suppress(BaseException):  # as in a callback of the garbage collector
            stop()

    said = "gnn-distill train: stopped by SIGTERM. Start the same command again to continue.\n"
    for name, handler in {
        "cli.hydra_callbacks.validate": stop,
        "config.schema.register": stop_and_fail,
        "training.console.Console.__init__": stop_unheard,
        "storage.run_directory.RunDirectory.__init__": stop,
    }.items():
        with monkeypatch.context() as patch:
            patch.setattr(f"gnn_distill.{name}", handler)
            assert gnn_distill(*SMALL, "hydra.run.dir=run") == (75, "", said), name
        assert not contents("run") or [*contents("run")] == ["running.lock"]
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    with monkeypatch.context() as patch:
        patch.setattr("gnn_distill.storage.settings.Settings.write", stop)
        status, out, err = gnn_distill(*SMALL, "hydra.run.dir=run")
    assert (status, err) == (75, "")
    assert "Resume with: gnn-distill train resume=" in out
    assert gnn_distill("train", "resume=run")[0] == 0


AWKWARD = """it's "a" [b], {c}=1 $d #e é\\'\\"""


def test_the_command_to_go_on_with_can_be_pasted_into_a_shell(
    gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = f"{AWKWARD}/'run'"
    with signalled(monkeypatch, "teacher", 1):
        status, out, _ = gnn_distill(*SMALL, f"hydra.run.dir={for_hydra(folder)}")
    assert status == 75
    printed = out.partition("Resume with: ")[2].splitlines()[0]
    status, _, err = gnn_distill(*SMALL, f"hydra.run.dir={for_hydra(folder)}")
    assert status == 1
    assert f"Resume it: {printed}; or choose" in err
    program, *words = subprocess.run(
        ["sh", "-c", f'for word in {printed}; do printf "%s\\0" "$word"; done'],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")[:-1]
    assert (program, words) == ("gnn-distill", ["train", f"resume={Path(folder).resolve()}"])
    assert gnn_distill(*words)[0] == 0
    assert summary_of(folder)["resumed"] == 1
    assert "nothing left to do" in gnn_distill("train", f"resume={folder}")[1]
    assert "nothing left to do" in gnn_distill("train", f"resume='{folder}'")[1]


def test_cells_may_lie_in_any_folder(gnn_distill: Callable, tmp_path: Path) -> None:
    words = ("table.sizes.smoke.rows=[teacher]", "table.sizes.smoke.pairs.seed=[0]", "table.search=[]")
    status, _, err = gnn_distill(*SMALL_TABLE, *words, f"table.cells={for_hydra(AWKWARD)}")
    assert (status, err) == (0, "")
    assert len([*(tmp_path / AWKWARD).glob("*/summary.json")]) == 1


def test_a_run_goes_on_with_the_threads_it_began_with(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnn_distill.pipeline.runtime.usable_cpus", lambda: 2)
    words = [word for word in SMALL if not word.startswith("trainer.threads")]
    monkeypatch.setattr("gnn_distill.pipeline.runtime.default_threads", lambda: 1)
    with signalled(monkeypatch, "student", 1):
        assert gnn_distill(*words, "hydra.run.dir=run")[0] == 75
    monkeypatch.setattr("gnn_distill.pipeline.runtime.default_threads", lambda: 2)
    with signalled(monkeypatch, "student", 2):
        status, out, _ = gnn_distill("train", "resume=run")
    assert status == 75
    assert "This run started with" not in out
    facts = read_json(Path("run/run.json"))
    facts["began_on"]["threads"] = 64
    write_json(Path("run/run.json"), facts)
    monkeypatch.setattr("gnn_distill.pipeline.runtime.default_threads", lambda: 1)
    status, out, _ = gnn_distill("train", "resume=run")
    assert status == 0
    assert "This run started with 64 threads (now 1): its result may differ from that of an uninterrupted run." in out


FULL = (
    *("run.json", "config.yaml", "hydra.yaml", "key.json", "metrics.csv", "last.safetensors", "student.safetensors"),
    *("student.json", "manifest.json", "summary.json"),
)


@pytest.mark.slow
def test_a_disk_that_is_full_at_ten_points_costs_no_digit(
    gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is the first that finds no room; the command is given again, as it was or to go on."""
    monkeypatch.setattr(Checkpointer, "SHARE", 1e9)
    assert gnn_distill(*SMALL, "hydra.run.dir=whole", "paths.store=one")[0] == 0
    sync = files.sync
    for name in FULL:
        words = (
            ("resume=run",) if Path("run/run.json").exists() else (*SMALL[1:], "hydra.run.dir=run", "paths.store=two")
        )

        def full(path: Path, name: str = name) -> None:
            if Path(path).name.startswith(f".{name}."):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(path)

        with monkeypatch.context() as patch:
            patch.setattr(files, "sync", full)
            status, _, err = gnn_distill("train", *words)
        assert (status, err.count("\n")) == (1, 1), name
        assert f"{name}: cannot be written (No space left on device)" in err
        assert not Path("run/summary.json").exists()
    assert gnn_distill("train", "resume=run")[0] == 0
    whole, run = summary_of("whole"), summary_of("run")
    for key in ("teacher", "student", "best_epoch", "epochs", "config_hash", "reused", "parameters"):
        assert run[key] == whole[key], key
    assert contents("run")["student.safetensors"] == contents("whole")["student.safetensors"]
    assert not [name for name in contents("run") if name.endswith(".tmp")]


def test_a_folder_is_named_like_its_run(gnn_distill: Callable, tmp_path: Path) -> None:
    assert gnn_distill(*SMALL, "student=transformer", "teacher.control=self")[0] == 0
    (run,) = tmp_path.glob("outputs/train/*")
    assert run.name.endswith("_typed_edges_transformer-transformer_s0")
    assert summary_of(str(run))["name"] == "transformer<-transformer typed_edges s0"
    names = {("gps", "gin", "none"): "gps-gin", ("gps", "none", "none"): "gps", ("none", "gin", "untrained"): "gin"}
    assert {models: folder_of_models(*models) for models in names} == names
