"""Files that may be somebody else's: links, pipes, and files that would grow or never end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gnn_distill.storage import bounded
from gnn_distill.storage.bounded import (
    Damaged,
    lies_inside,
    opened,
    read_bytes,
    read_csv,
    read_plain_json,
    read_yaml,
    stay_inside,
)

BOMB = "a0: &a0 [x, x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "outside").write_text("my key")
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "folder" / "plain").write_text("text")
    return tmp_path / "folder"


def link(name: str, target: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).symlink_to(target)
        return folder / name

    return make


def linked_folder(folder: Path) -> Path:
    (folder / "dir").symlink_to(folder.parent)
    return folder / "dir" / "outside"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


@pytest.mark.parametrize(
    "make",
    [
        link("a", "../outside"), link("a", "/dev/zero"), link("a", "a"), link("a", "below"), link("a", "../gone"),
        linked_folder, pipe,
    ],
)  # fmt: skip
def test_what_is_no_file_of_the_folder_is_not_read(make: Callable[[Path], Path], folder: Path) -> None:
    path = make(folder)
    assert not lies_inside(path, folder)
    with pytest.raises(Damaged, match="is damaged: "):
        read_bytes(path, 100, folder)
    with pytest.raises(Damaged, match="links outside its folder, or is not a regular file"):
        stay_inside(folder, path)


def test_what_lies_in_the_folder_is_read(folder: Path) -> None:
    (folder / "below" / "link").symlink_to("../plain")
    (folder.parent / "moved").symlink_to(folder)
    for path, within in ((folder / "plain", folder), (folder / "below" / "link", folder)):
        assert read_bytes(path, 4, within) == b"text"
    assert read_bytes(folder.parent / "moved" / "plain", 4) == b"text"  # the folder itself may be a link
    stay_inside(folder, folder / "nothing")


def test_a_link_that_a_user_names_is_followed_to_a_file(folder: Path) -> None:
    (folder / "mine").symlink_to("../outside")
    with opened(folder / "mine") as file:
        assert file.read() == b"my key"
    with pytest.raises(Damaged, match="not a regular file"), opened(pipe(folder)):
        pass


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, r"it contains aliases \(\*a0\)"),
        ("a: " + "[" * 40 + "]" * 40, "nested too deeply or too long: the limits are 32 levels"),
        ("a: " + "[" * 100_000, "nested too deeply or too long"),
        ("a: [" + "1," * 11_000 + "]", "and 10,000 values"),
        ("# " + "x" * bounded.MOST_YAML, "it exceeds the limit of 262,144 bytes"),
        ("a: !!python/object/apply:os.getcwd []", "not YAML as a run writes it"),
        ("a: [1", "not YAML as a run writes it"),
        (b"\xff\xfe\x00", "not YAML as a run writes it"),
    ],
)
def test_yaml_cannot_grow(text: str | bytes, why: str, folder: Path) -> None:
    (folder / "a.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Damaged, match=why):
        read_yaml(folder / "a.yaml")


def test_yaml_of_runs_is_read(folder: Path) -> None:
    (folder / "a.yaml").write_text("a: {b: [1, '${c}']}\nc: 2\n")
    assert read_yaml(folder / "a.yaml").a.b == [1, 2]
    (folder / "a.yaml").write_text("")
    assert not read_yaml(folder / "a.yaml")


@pytest.mark.parametrize("text", ["[" * 100_000, "nope", "", '{"a": ' + "9" * 5000 + "}"])
def test_json_that_makes_no_sense_is_one_error(text: str, folder: Path) -> None:
    (folder / "a.json").write_text(text)
    with pytest.raises(Damaged, match="it is not JSON"):
        read_plain_json(folder / "a.json")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (",".join(map(str, range(1001))) + "\n1\n", "1,001 columns; the limit is 1,000"),
        ("a,b\n1\n1,2\n", "row 2 does not have one cell per column"),
        ("a,b\n1,2\n1,2,3\n", "row 3 does not have one cell"),
        ('a\n"' + "x" * 200_000 + '"\n', "it is not CSV"),
        (b"a\n\xff\n", "it is not CSV"),
    ],
)
def test_rows_that_would_fill_the_memory_are_refused(text: str | bytes, why: str, folder: Path) -> None:
    (folder / "a.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Damaged, match=why):
        read_csv(folder / "a.csv")


def test_a_torn_last_row_is_left_out(folder: Path) -> None:
    (folder / "a.csv").write_text("a,b\n1,2\n3")
    assert read_csv(folder / "a.csv") == (["a", "b"], [["1", "2"]])
    (folder / "a.csv").write_text("")
    assert read_csv(folder / "a.csv") == ([], [])
