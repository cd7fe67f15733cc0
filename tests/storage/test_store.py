import errno
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from damage import harm

from gnn_distill.errors import UserError
from gnn_distill.storage import store as module
from gnn_distill.storage.checksums import NewerVersion, read_json
from gnn_distill.storage.files import replace_file
from gnn_distill.storage.store import KEY_FILE, Store, content_key
from gnn_distill.storage.versions import FORMATS, Format

FORK = multiprocessing.get_context("fork")


def put(text: str):
    return lambda folder: (folder / "content").write_text(text)


def never(folder: Path) -> None:
    pytest.fail("made twice")


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("*/*") if path.suffix != ".lock")


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "store")
    first = store.get("teachers", {"seed": 0}, put("first"), "a teacher")
    assert not first.found
    again = store.get("teachers", {"seed": 0}, never)
    assert again == (first.path, True, True)
    assert (again.path / "content").read_text() == "first"
    assert Store(tmp_path / "a" / "store").get("teachers", {"seed": 0}, put("")).found
    assert store.used == {"teachers": [first.path.name]}


def test_a_manifest_tells_what_an_entry_is(tmp_path: Path) -> None:
    entry = Store(tmp_path).get("teachers", {"seed": 0, "at": Path("x")}, put("first"), "a teacher")
    told = read_json(entry.path / KEY_FILE)
    assert (told["kind"], told["what"], told["parts"]) == ("teachers", "a teacher", {"at": "x", "seed": 0})
    assert told["files"]["content"]["size"] == 5
    assert list(told["files"]) == ["content"]


def test_entries_differ_by_kind_and_by_every_part(tmp_path: Path) -> None:
    store = Store(tmp_path)
    parts = [{"a": 1, "b": [1, 2]}, {"a": 1, "b": [2, 1]}, {"a": 1, "b": [1, 2], "c": None}, {"a": {"b": 1}}]
    entries = [store.get(kind, some, put(kind)) for kind in ("teachers", "signals") for some in parts]
    assert not any(entry.found for entry in entries)
    assert len({entry.path for entry in entries}) == 8
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    assert store.get("teachers", dict(reversed(parts[0].items())), put("")).found


def test_entries_that_are_no_longer_read_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("teachers", "signals"):
        Store(tmp_path).get(kind, {}, put("first"))
    monkeypatch.setitem(FORMATS, "teacher.safetensors", Format(("a", "b")))
    assert Store(tmp_path).get("teachers", {"threads": 2}, never, preferred=content_key({})).found
    monkeypatch.setitem(FORMATS, "teacher.safetensors", Format(("a", "b"), oldest=2))
    assert not Store(tmp_path).get("teachers", {}, put("second"), preferred=content_key({})).found
    assert Store(tmp_path).get("signals", {}, never).found


def test_the_next_maker_goes_on_from_what_a_failure_left(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        (folder / ".half.123.tmp").write_text("ha")
        raise RuntimeError("no luck")

    def replay(folder: Path) -> None:
        assert [path.name for path in folder.iterdir()] == ["half"]
        (folder / "half").rename(folder / "whole")

    with pytest.raises(RuntimeError, match="no luck"):
        store.get("teachers", {}, fail)
    assert names(tmp_path) == [f"{content_key({})}.partial"]
    assert store.used == {}
    entry = store.get("teachers", {}, replay)
    assert not entry.found
    assert names(tmp_path) == [content_key({})]
    assert {path.name for path in entry.path.iterdir()} == {"whole", KEY_FILE}
    assert store.get("teachers", {}, never).found


def test_a_failure_that_left_nothing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        Store(tmp_path).get("teachers", {}, lambda folder: 1 / 0)
    assert names(tmp_path) == []


def make_two(folder: Path) -> None:
    put("content")(folder)
    (folder / "other").write_bytes(bytes(300))


def test_an_entry_of_a_newer_version_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(FORMATS, KEY_FILE, Format(("a", "b")))
        path = Store(tmp_path).get("teachers", {}, put("newer")).path
    with pytest.raises(NewerVersion, match=r"key\.json: was written by a newer version"):
        Store(tmp_path).get("teachers", {}, never)
    assert (path / "content").read_text() == "newer"


@pytest.mark.parametrize("name", ["other", KEY_FILE])
def test_a_damaged_entry_is_told_set_aside_and_made_again(tmp_path: Path, name: str) -> None:
    told: list[str] = []
    store = Store(tmp_path, told.append)
    file = store.get("teachers", {}, make_two).path / name
    raw = file.read_bytes()
    count = 0
    for count, (what, content) in enumerate(harm(raw), start=1):
        file.write_bytes(content)
        assert not store.get("teachers", {}, make_two).found, what
        assert store.get("teachers", {}, never).found
        assert len(told) == count
        assert f"{file}: is damaged: " in told[-1]
        assert "It will be made again" in told[-1]
    assert len(list(tmp_path.glob("teachers/*.damaged*"))) == count
    file.unlink()
    assert not store.get("teachers", {}, make_two).found
    assert "it is missing" in told[-1]


def test_an_entry_is_read_once_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Store(tmp_path).get("teachers", {}, put("first"))
    read = []
    monkeypatch.setattr(module, "sha256", lambda path: read.append(path) or real(path))
    for _ in range(3):
        assert Store(tmp_path).get("teachers", {}, never).found
    assert read == [entry.path / "content"]
    put("first")(entry.path)  # touched
    assert Store(tmp_path).get("teachers", {}, never).found
    assert len(read) == 2


real = module.sha256


def compete(root: Path, number: int, start: Any, results: Any) -> None:
    def slowly(folder: Path) -> None:
        results.put(("made", number))
        time.sleep(0.3)
        (folder / "content").write_text(str(number))

    start.wait()
    entry = Store(root).get("teachers", {}, slowly)
    results.put(("read", (entry.path / "content").read_text(), entry.found))


def test_sixteen_processes_make_an_entry_once(tmp_path: Path) -> None:
    start, results = FORK.Barrier(16), FORK.Queue()
    processes = [FORK.Process(target=compete, args=(tmp_path, number, start, results)) for number in range(16)]
    for process in processes:
        process.start()
    told = [results.get(timeout=30) for _ in range(17)]
    for process in processes:
        process.join()
    (maker,) = (number for word, number, *_ in told if word == "made")
    read = [row for row in told if row[0] == "read"]
    assert sorted(read) == [("read", str(maker), False)] + [("read", str(maker), True)] * 15
    assert names(tmp_path) == [content_key({})]


def hold(root: Path, holds: Any) -> None:
    def endless(folder: Path) -> None:
        replace_file(folder / "half", "half")
        holds.set()
        time.sleep(60)

    Store(root).get("teachers", {}, endless, "a teacher")


@pytest.fixture
def holder(tmp_path: Path) -> Any:
    """Another process, in the middle of making an entry."""
    holds = FORK.Event()
    process = FORK.Process(target=hold, args=(tmp_path, holds))
    process.start()
    assert holds.wait(10)
    yield process
    process.kill()
    process.join()


def test_a_killed_holder_does_not_block_the_next(tmp_path: Path, holder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NOTICE_AFTER", 0.1)
    told: list[str] = []
    store = Store(tmp_path, told.append)
    threading.Timer(0.5, lambda: os.kill(holder.pid, signal.SIGKILL)).start()

    def replay(folder: Path) -> None:
        assert (folder / "half").read_text() == "half"
        (folder / "half").rename(folder / "content")

    assert not store.get("teachers", {}, replay, "a teacher").found
    assert told == ["Waiting for another run that is making the same entry: a teacher."]


def test_waiting_can_be_interrupted(tmp_path: Path, holder: Any) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            Store(tmp_path).get("teachers", {}, never)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < 5


def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"paths\.store=.*file/store: cannot be written"):
        Store(tmp_path / "file" / "store")


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
def test_a_store_that_cannot_be_written_is_told_and_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    entry = Store(tmp_path).get("teachers", {}, put("whole"))

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module.FileLock, "acquire", refuse)
    monkeypatch.setattr(module.os, "replace", refuse)
    store = Store(tmp_path)
    assert store.get("teachers", {}, never)[:2] == (entry.path, True)
    with pytest.raises(UserError, match=rf"paths\.store=.*cannot be written \({os.strerror(number)}\).*is intact"):
        store.get("teachers", {"seed": 1}, put("new"))


def test_a_preferred_entry_is_taken_while_it_is_intact(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = store.get("teachers", {"threads": 1}, put("first"))
    key = first.path.name
    assert store.get("teachers", {"threads": 2}, never, preferred=key).path == first.path
    (first.path / "content").write_text("damaged")
    other = store.get("teachers", {"threads": 2}, put("other"), preferred=key)
    assert other.path.name not in (key, "")
    assert store.get("teachers", {"threads": 2}, never, preferred="gone").path == other.path
