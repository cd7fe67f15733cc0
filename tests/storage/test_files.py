import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from gnn_distill.errors import UserError
from gnn_distill.storage import files


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """The system refuses to write beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.replace_file(path, "old\r\n")
    with files.atomic_path(path) as beside:
        beside.write_text("new")
        assert path.read_bytes() == b"old\r\n"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
    assert files.sha256(path) == sha256(b"new").hexdigest()


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.replace_file(path, "old")

    def write(stop: type[BaseException]) -> None:
        with files.atomic_path(path) as beside:
            beside.write_text("half")
            raise stop

    for stop in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(stop):
            write(stop)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with file_size_limit(100):
        with pytest.raises(UserError, match=r"a\.txt: cannot be written \(File too large\)\. No part of it is left\."):
            files.replace_file(path, "x" * 1000)
        assert not list(tmp_path.iterdir())
        files.replace_file(path, "old")
        with pytest.raises(UserError, match=r"Its previous content is intact\. Raise the limit"):
            files.replace_file(path, "x" * 1000)
        with pytest.raises(UserError, match="is intact"):
            files.append(path, "x" * 1000)
    assert path.read_text() == "old"
    files.append(path, " and new")
    assert path.read_text() == "old and new"


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "Make room on that disk"), (errno.EDQUOT, "within your quota"), (errno.EROFS, "may write to")],
)
def test_every_reason_has_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(UserError, match=rf"\({os.strerror(number)}\).*{told}"):
        files.replace_file(tmp_path / "a.txt", "new")
    assert not list(tmp_path.iterdir())


def test_folders_that_cannot_be_synced_are_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.EINVAL, "not here")

    monkeypatch.setattr(files.os, "fsync", refuse)
    files.replace_file(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in (".hidden", "a.tmp", "b")]
    for name in (*kept, tmp_path / ".b.123.tmp"):
        name.touch()
    files.remove_temporaries(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_damaged_things_are_set_aside_one_after_another(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "entry").mkdir()
        (tmp_path / "entry" / str(number)).touch()
        files.set_aside(tmp_path / "entry")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["entry.damaged", "entry.damaged.2", "entry.damaged.3"]
    assert (tmp_path / "entry.damaged.3" / "2").exists()
