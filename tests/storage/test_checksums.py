import json
from pathlib import Path

import pytest
from damage import assert_noticed

from gnn_distill.errors import UserError
from gnn_distill.storage.checksums import Damaged, NewerVersion, OlderVersion, read_json, write_json
from gnn_distill.storage.versions import FORMATS, Format

VALUE = {"name": "größe", "numbers": [1, 0.1, None], "nested": {"checksum": "0" * 64, "schema_version": 7}}


def test_json_comes_back_and_tells_its_version(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, VALUE)
    assert read_json(path) == VALUE
    raw = json.loads(path.read_text())
    assert list(raw) == ["schema_version", *VALUE, "checksum"]
    assert (raw["schema_version"], len(raw["checksum"])) == (1, 64)


def test_every_byte_of_json_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1, "b": "x" * 200})
    assert_noticed(path, lambda: read_json(path), every_byte=True)


def test_other_versions_and_other_files_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"metric": "accuracy"}')
    with pytest.raises(OlderVersion, match=r"run\.json: was written by an older version.*Make it again\."):
        read_json(path, "Make it again.")
    write_json(path, {"a": 1})
    with monkeypatch.context() as patch:
        patch.setitem(FORMATS, "run.json", Format(("a", "b"), oldest=2))
        with pytest.raises(OlderVersion, match=r"older version .*\(format version 1\).*Make it again\."):
            read_json(path, "Make it again.")
        patch.setitem(FORMATS, "run.json", Format(("a", "b")))
        assert read_json(path) == {"a": 1}
        write_json(path, {"a": 2})
        assert read_json(path) == {"a": 2}
    with pytest.raises(NewerVersion, match=r"format version 2; this one reads up to 1.*intact: update gnn-dist"):
        read_json(path, "Make it again.")
    assert read_json(path.rename(tmp_path / "a.json")) == {"a": 2}
    for text in ("[]", "{}", "nothing", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(Damaged):
            read_json(path)
    with pytest.raises(Damaged, match=r"b\.json: is damaged: it is missing"):
        read_json(tmp_path / "b.json")


def test_a_file_that_may_not_be_read_is_not_taken_for_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.json").write_text("{}")
    monkeypatch.setattr("gnn_distill.storage.bounded.os.open", refuse)
    with pytest.raises(UserError, match=r"cannot be read \(Permission denied\)") as told:
        read_json(tmp_path / "a.json")
    assert not isinstance(told.value, Damaged)
