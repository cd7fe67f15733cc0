import json
import multiprocessing
import time
from pathlib import Path

import pytest

from gnn_distill.errors import UserError
from gnn_distill.store import Store, code_version, content_key


def put(text: str):
    return lambda folder: (folder / "content").write_text(text)


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("*/*") if path.is_dir())


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "store")
    first = store.get("teachers", {"seed": 0}, put("first"))
    assert not first.found
    again = store.get("teachers", {"seed": 0}, lambda folder: pytest.fail("made twice"))
    assert again == (first.path, True)
    assert (again.path / "content").read_text() == "first"
    assert json.loads((again.path / "key.json").read_text()) == {"seed": 0}
    assert Store(tmp_path / "a" / "store").get("teachers", {"seed": 0}, put("")).found


def test_entries_differ_by_kind_and_by_every_part(tmp_path: Path) -> None:
    store = Store(tmp_path)
    parts = [{"a": 1, "b": [1, 2]}, {"a": 1, "b": [2, 1]}, {"a": 1, "b": [1, 2], "c": None}, {"a": {"b": 1}}]
    entries = [store.get(kind, some, put(kind)) for kind in ("teachers", "signals") for some in parts]
    assert not any(entry.found for entry in entries)
    assert len({entry.path for entry in entries}) == 8
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    assert store.get("teachers", dict(reversed(parts[0].items())), put("")).found


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        store.get("teachers", {}, fail)
    assert not folders(tmp_path)
    assert not list(tmp_path.rglob("half"))
    assert not store.get("teachers", {}, put("whole")).found
    assert [path.name for path in store.get("teachers", {}, fail).path.iterdir() if path.name == "content"]


def test_what_a_killed_process_left_is_not_taken_for_an_entry(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rest = tmp_path / "teachers" / f"{content_key({})}.12345"
    rest.mkdir(parents=True)
    assert not store.get("teachers", {}, put("whole")).found


def compete(root: Path, number: int, start, results) -> None:
    def slowly(folder: Path) -> None:
        results.put(("made", number))
        time.sleep(0.3)
        (folder / "content").write_text(str(number))

    start.wait()
    entry = Store(root).get("teachers", {}, slowly)
    results.put(("read", (entry.path / "content").read_text(), entry.found))


def test_two_processes_make_an_entry_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=compete, args=(tmp_path, number, start, results)) for number in range(2)]
    for process in processes:
        process.start()
    told = [results.get(timeout=30) for _ in range(3)]
    for process in processes:
        process.join()
    maker = next(number for word, number, *_ in told if word == "made")
    assert sorted(row for row in told if row[0] == "read") == [("read", str(maker), False), ("read", str(maker), True)]
    assert len(folders(tmp_path)) == 1


def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"paths\.store=.*file/store: cannot be written"):
        Store(tmp_path / "file" / "store")


def test_code_versions_follow_the_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("gnn_distill.store.PACKAGE", tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.py").write_text("1")
    (tmp_path / "b.py").write_text("2")
    before = code_version("models", "b.py")
    assert code_version("models", "b.py") == before
    (tmp_path / "c.py").write_text("3")
    assert code_version("models", "b.py") == before
    (tmp_path / "models" / "a.py").write_text("4")
    assert code_version("models", "b.py") != before
