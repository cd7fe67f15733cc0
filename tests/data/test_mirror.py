import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from gnn_distill.data import mirror as module
from gnn_distill.data.mirror import find, folder_of, mirror_root, read
from gnn_distill.errors import UserError
from gnn_distill.schema.data import PathsConfig

FILES = ["a.txt", "b.txt"]
NOWHERE = "http://127.0.0.1:9/set.zip"  # nothing listens there


class Set:
    """Stands for a PyG class: reads raw files below its root, and writes what it made of them."""

    def __init__(self, root: str) -> None:
        home = Path(root) / "set"
        (home / "processed").mkdir(exist_ok=True)
        processed = home / "processed" / "data.pt"
        if not processed.exists():
            processed.write_text("".join((home / "raw" / file).read_text() for file in FILES))
        self.text = processed.read_text()
        if self.text == "torn":
            raise EOFError("ran out of input")


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PathsConfig:
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    raw = tmp_path / "mirror" / "Class" / "set" / "raw"
    raw.mkdir(parents=True)
    for file in FILES:
        (raw / file).write_text(file[0])
        (raw / file).chmod(0o444)
    raw.chmod(0o555)
    return PathsConfig(data=str(tmp_path / "new" / "data"), mirror=str(tmp_path / "mirror"))


def load(paths: PathsConfig, url: str = NOWHERE) -> str:
    return read(Set, "Class/set", FILES, url, paths).text


def test_mirror_is_copied_and_never_written(paths: PathsConfig) -> None:
    before = sorted(Path(paths.mirror).rglob("*"))
    assert load(paths) == "ab"
    assert sorted(Path(paths.mirror).rglob("*")) == before
    home = Path(paths.data) / "Class" / "set"
    assert not (home / "raw" / "a.txt").is_symlink()
    assert (home / "raw" / "a.txt").stat().st_mode & stat.S_IWUSR
    assert not list(Path(paths.data).glob(".partial-*"))
    paths.mirror = None
    assert load(paths) == "ab"  # the mirror is not needed any more


def test_a_mirror_may_hold_files_beside_raw(paths: PathsConfig) -> None:
    home = Path(paths.mirror) / "Class" / "set"
    (home / "raw").chmod(0o755)
    (home / "raw" / "b.txt").rename(home / "b.txt")
    (home / "other.txt").write_text("not asked for")
    assert load(paths) == "ab"
    raw = Path(paths.data) / "Class" / "set" / "raw"
    assert sorted(file.name for file in raw.iterdir()) == ["a.txt", "b.txt"]


def test_data_folder_goes_before_the_mirror(paths: PathsConfig) -> None:
    raw = Path(paths.data) / "Class" / "set" / "raw"
    raw.mkdir(parents=True)
    for file in FILES:
        (raw / file).write_text("mine ")
    assert load(paths) == "mine mine "


def test_half_a_set_is_moved_aside_not_deleted(paths: PathsConfig) -> None:
    raw = Path(paths.data) / "Class" / "set" / "raw"
    raw.mkdir(parents=True)
    (raw / "a.txt").write_text("mine")
    assert load(paths) == "ab"
    assert (Path(paths.data) / "Class" / "set.incomplete" / "raw" / "a.txt").read_text() == "mine"


def test_another_split_in_the_same_folder_stays(paths: PathsConfig) -> None:
    other = Path(paths.data) / "Class" / "set" / "geom-gcn" / "raw"
    other.mkdir(parents=True)
    (other / "c.txt").write_text("c")
    assert load(paths) == "ab"
    assert (other / "c.txt").read_text() == "c"
    assert sorted(path.name for path in Path(paths.data).glob("Class/*")) == ["set"]


def test_no_files_and_no_network_says_which_files_and_where(paths: PathsConfig) -> None:
    Path(paths.mirror, "Class/set/raw").chmod(0o755)
    Path(paths.mirror, "Class/set/raw/b.txt").unlink()
    with pytest.raises(UserError) as caught:
        load(paths)
    message = str(caught.value)
    wanted = ["a.txt, b.txt", f"{paths.data}/Class/set/raw", f"{paths.mirror}/Class/set/raw", NOWHERE]
    for part in [*wanted, "paths.data", "paths.mirror", "GNN_DISTILL_MIRROR"]:
        assert part in message
    assert not (Path(paths.data) / "Class").exists()


def test_download_that_breaks_off_leaves_nothing(paths: PathsConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    paths.mirror = None
    monkeypatch.setattr(module, "_unreachable", lambda url: "")

    def download(root: str) -> None:
        Path(root, "set", "raw").mkdir(parents=True)
        Path(root, "set", "raw", "a.txt").write_text("a")
        raise ConnectionResetError("peer went away")

    with pytest.raises(UserError, match="peer went away"):
        read(download, "Class/set", FILES, NOWHERE, paths)
    assert [entry.name for entry in Path(paths.data).iterdir()] == [".Class-set.lock"]


def test_torn_processed_file_names_the_folder_to_delete(paths: PathsConfig) -> None:
    load(paths)
    processed = Path(paths.data) / "Class" / "set" / "processed"
    (processed / "data.pt").write_text("torn")
    with pytest.raises(UserError, match=f"{processed}.*Delete that folder"):
        load(paths)


def test_data_folder_that_cannot_be_written(paths: PathsConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    paths.data = str(tmp_path / "file" / "data")
    with pytest.raises(UserError, match=r"paths\.data=.*cannot be written"):
        load(paths)


def test_parallel_runs_share_one_copy(paths: PathsConfig) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.map(load, [paths] * 8) == ["ab"] * 8
    assert sorted(entry.name for entry in Path(paths.data).iterdir()) == [".Class-set.lock", "Class"]


def test_mirror_from_the_environment_and_mistyped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNN_DISTILL_MIRROR", str(tmp_path))
    assert mirror_root(PathsConfig()) == tmp_path
    (tmp_path / "file").write_text("")
    assert find(PathsConfig(data=str(tmp_path / "none")), "file") == tmp_path / "file"
    with pytest.raises(UserError, match=r"paths\.mirror=.*no such folder"):
        mirror_root(PathsConfig(mirror=str(tmp_path / "typo")))
    monkeypatch.setenv("GNN_DISTILL_MIRROR", os.fspath(tmp_path / "typo"))
    with pytest.raises(UserError, match=r"GNN_DISTILL_MIRROR=.*no such folder"):
        mirror_root(PathsConfig())


def test_folders_are_pygs() -> None:
    assert folder_of("tudataset", "NCI1") == "TUDataset/NCI1"
    assert folder_of("moleculenet", "Tox21") == "MoleculeNet/tox21"
    assert folder_of("zinc", "ZINC") == "ZINC"
    assert folder_of("heterophilous", "Roman-empire") == "HeterophilousGraphDataset/roman_empire"
    assert folder_of("wikipedia", "chameleon") == "WikipediaNetwork/chameleon/geom_gcn"
