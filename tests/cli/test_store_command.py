"""`gnn-distill store`, on entries and runs that were put there by hand."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from gnn_distill.storage.checksums import write_json
from gnn_distill.storage.run_directory import RunDirectory
from gnn_distill.storage.store import Store
from gnn_distill.storage.versions import FORMATS, Format

HOUR, DAY = 3600, 86400


def make_old(folder: Path, seconds: float) -> None:
    for file in (*folder.iterdir(), folder):
        os.utime(file, (time.time() - seconds,) * 2)


class Place:
    """outputs/store with a used teacher, an unused one, and a partial one; outputs/train with the run that uses it."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "outputs" / "store")
        self.used, self.unused = (self.entry("teachers", seed, f"teacher {seed}") for seed in (0, 1))
        self.run = folder / "outputs" / "train" / "run"
        run = RunDirectory(self.run)
        run.append_metrics({"stage": "student", "epoch": 1})
        run.write_summary({"store": {"teachers": [self.used.name]}})
        self.partial = self.used.with_name("0123.partial")
        self.partial.mkdir()
        (self.partial / "running.safetensors").write_bytes(bytes(1000))

    def entry(self, kind: str, seed: int, what: str) -> Path:
        def make(folder: Path) -> None:
            (folder / "content").write_bytes(bytes(100_000))

        return self.store.get(kind, {"seed": seed}, make, what).path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def store(gnn_distill: Callable, place: Place) -> Callable[..., tuple[int, str, str]]:
    return lambda *words: gnn_distill("store", *words)


def damage(entry: Path) -> None:
    with open(entry / "content", "r+b") as file:
        file.seek(5)
        file.write(b"x")


def line_of(out: str, name: str) -> str:
    (line,) = (line for line in out.splitlines() if name in line)
    return line


def test_list_tells_all_that_is_known(store: Callable, place: Place) -> None:
    make_old(place.unused, 3 * DAY)
    (place.used / "content").write_bytes(b"short")
    for words in ((), ("list",)):
        status, out, err = store(*words)
        assert (status, err) == (0, "")
        assert out.splitlines()[0].split() == ["kind", "entry", "size", "age", "state", "what", "used", "by"]
        assert line_of(out, place.unused.name).split() == [
            *("teachers", place.unused.name, "0.1", "MB", "3", "days", "teacher", "1")
        ]
        damaged = line_of(out, place.used.name)
        assert " damaged  content: it is missing, or has another size" in damaged
        assert damaged.endswith("outputs/train/run")
        assert " partial" in line_of(out, "0123.partial")
        assert out.splitlines()[-1] == "outputs/store: teachers 3, 0.1 MB"


def test_an_unfinished_run_uses_its_entries_too(store: Callable, place: Place) -> None:
    begun = RunDirectory(place.run.with_name("begun"))
    begun.remember(store={"teachers": [place.unused.name, place.used.name]})
    _, out, _ = store("list")
    assert line_of(out, place.unused.name).endswith("outputs/train/begun")
    assert line_of(out, place.used.name).endswith("outputs/train/begun and 1 more")


def test_verify_reads_everything(store: Callable, place: Place) -> None:
    status, out, err = store("verify")
    assert (status, err) == (0, "")
    assert "outputs/store: 2 entries are whole, 0 damaged" in out
    assert "1 finished run is whole, 0 damaged" in out
    damage(place.used)
    assert " damaged " not in store("list")[1]  # which reads no content
    status, out, err = store("verify")
    assert status == 1
    assert f"Warning: outputs/store/teachers/{place.used.name}: is damaged: content: its content does not match" in out
    assert "gnn-distill store: Damaged: 1 of 2 entries." in err
    assert "store.fix=true" in err
    assert place.used.is_dir()
    status, out, err = store("verify", "store.fix=true")
    assert (status, len(err.splitlines())) == (1, 1)
    assert f"It was renamed to {place.used.name}.damaged." in out
    assert not place.used.exists()
    assert store("verify")[0] == 0


def test_verify_reads_runs_too(store: Callable, place: Place) -> None:
    (place.run / "metrics.csv").write_text("stage,epoch\n")
    status, out, err = store("verify")
    assert status == 1
    assert "Warning: outputs/train/run/metrics.csv: is damaged" in out
    assert "Damaged, as listed above: 0 entries and 1 run." in err


def test_prune_tells_first_and_deletes_when_told_to(store: Callable, place: Place) -> None:
    for folder in (place.used, place.unused, place.partial):
        make_old(folder, 2 * HOUR)
    aside = place.used.with_name("4567.damaged")
    aside.mkdir()
    status, out, err = store("prune")
    assert (status, err) == (0, "")
    assert "outputs/store: 1 of 4 would be deleted, 0.0 MB; store.delete=true deletes them" in out
    assert "2 more, 0.1 MB, younger than 1 day " in out
    for words in (("store.days=0.05",), ("store.days=0.05", "store.delete=true")):
        status, out, err = store("prune", *words)
        assert (status, err) == (0, "")
        for folder in (place.unused, place.partial, aside):
            assert folder.name in out
            assert folder.exists() == ("store.delete=true" not in words)
        assert place.used.name not in out
    assert "outputs/store: 3 of 4 deleted, 0.1 MB" in out
    assert sorted(path.name for path in place.used.parent.iterdir()) == [place.used.name, f"{place.used.name}.lock"]
    assert place.store.get("teachers", {"seed": 0}, pytest.fail).found
    out = store("prune", "store.days=0", "store.unused=false", "store.delete=true")[1]
    assert "1 of 1 deleted" in out


def test_what_a_living_process_makes_is_left_alone(store: Callable, place: Place) -> None:
    locks = [FileLock(path.with_name(f"{path.name.partition('.')[0]}.lock")) for path in (place.partial, place.unused)]
    for lock in locks:
        lock.acquire()
    try:
        # From another process: in this one the locks are ours.
        words = [sys.executable, "-m", "gnn_distill", "store", "prune", "store.days=0", "store.delete=true"]
        answer = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    finally:
        for lock in locks:
            lock.release()
    assert answer.returncode == 0, answer.stderr
    assert place.partial.exists()
    assert place.unused.exists()
    assert "outputs/store: 0 of 3 deleted" in answer.stdout
    assert "0123.partial" not in answer.stdout


def test_entries_of_older_versions_can_be_pruned(store: Callable, place: Place) -> None:
    old = place.used.with_name("89ab")
    old.mkdir()
    (old / "key.json").write_text('{"seed": 0}')
    assert "older version" in line_of(store("list")[1], "89ab")
    assert store("prune", "store.delete=true")[0] == 0
    assert not old.exists()


def test_what_a_newer_version_has_written_is_told_and_kept(
    store: Callable, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        for name in ("key.json", "run.json"):
            patch.setitem(FORMATS, name, Format(("a", "b")))
        newer = place.entry("teachers", 2, "teacher 2")
        write_json(place.run / "run.json", {"store": {"teachers": [newer.name]}})
    make_old(newer, 9 * DAY)
    out = store("list")[1]
    assert "newer version" in line_of(out, newer.name)
    assert (
        "Warning: outputs/train/run/run.json: is of a newer version. It is unknown which entries its run uses." in out
    )
    assert store("prune", "store.delete=true", "store.unused=false")[0] == 0
    assert newer.is_dir()


@pytest.mark.parametrize("used", [3, {"teachers": 3}])
def test_a_run_that_makes_no_sense_is_told(store: Callable, place: Place, used: Any) -> None:
    write_json(place.run / "run.json", {"store": used})
    assert "run.json: is damaged. It is unknown which entries its run uses." in store("list")[1]


def test_a_run_that_cannot_be_read_is_told(store: Callable, place: Place) -> None:
    (place.run / "summary.json").write_text("{")
    status, out, _ = store("list")
    assert status == 0
    assert "Warning: outputs/train/run/summary.json: is damaged. It is unknown which entries its run uses." in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("lst",), "store.action=lst: unknown choice. Choices: list, verify, prune. Did you mean 'list'?"),
        (("list", "paths.store=gone"), "paths.store=gone: this folder does not exist."),
        (
            ("prune", "store.runs=[gone]"),
            "store.runs=['gone']: none of these folders exists, so every entry would count",
        ),
        (("prune", "store.days=-1"), "store.days=-1.0: must be at least 0."),
    ],
)
def test_errors_are_one_message(store: Callable, words: tuple[str, ...], told: str) -> None:
    status, out, err = store(*words)
    assert (status, out) == (1, "")
    assert err.startswith(f"gnn-distill store: {told}")
    assert len(err.splitlines()) == 1


def test_without_torch(place: Place, tmp_path: Path) -> None:
    code = "import sys; from gnn_distill.cli.main import main; main(); assert 'torch' not in sys.modules"
    answer = subprocess.run(
        [sys.executable, "-c", code, "store", "verify"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert answer.returncode == 0, answer.stderr
