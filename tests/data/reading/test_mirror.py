import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from gnn_distill.config.schema.data import PathsConfig
from gnn_distill.data.reading import mirror as module
from gnn_distill.data.reading.mirror import find, folder_of, mirror_root, read
from gnn_distill.data.reading.processed import SIDECAR
from gnn_distill.errors import UserError
from gnn_distill.storage import code_hash

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


@pytest.mark.parametrize("times", ["newer", "kept"])
def test_raw_files_that_were_replaced_are_processed_anew(paths: PathsConfig, times: str) -> None:
    assert load(paths) == "ab"
    raw = Path(paths.data) / "Class" / "set" / "raw"
    stat = (raw / "b.txt").stat()
    (raw / "b.txt").write_text("new")
    if times == "kept":
        os.utime(raw / "b.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert load(paths) == "anew"
    (raw / "c.txt").write_text("one more")
    (raw.parent / "processed" / "data.pt").write_text("what was made before there was a c.txt")
    assert load(paths) == "anew"


def test_raw_files_that_were_touched_are_not_processed_anew(paths: PathsConfig) -> None:
    load(paths)
    home = Path(paths.data) / "Class" / "set"
    (home / "processed" / "data.pt").write_text("as processed")
    os.utime(home / "raw" / "b.txt")
    assert load(paths) == "as processed"


def test_processed_files_of_unknown_origin_are_made_anew(paths: PathsConfig) -> None:
    load(paths)
    home = Path(paths.data) / "Class" / "set"
    (home / "processed" / "data.pt").write_text("of an older version")
    for broken in ("{}", "not JSON", '{"files": {"a.txt": 1}}', None):
        (home / "processed" / "data.pt").write_text("of an older version")
        if broken is None:
            (home / "processed" / SIDECAR).unlink()
        else:
            (home / "processed" / SIDECAR).write_text(broken)
        assert load(paths) == "ab"


def test_other_code_makes_other_files(paths: PathsConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    code = ["gnn_distill.data.assembly.molecules_ogb"]
    assert read(Set, "Class/set", FILES, NOWHERE, paths, code).text == "ab"
    processed = Path(paths.data) / "Class" / "set" / "processed" / "data.pt"
    processed.write_text("as processed")
    assert read(Set, "Class/set", FILES, NOWHERE, paths, code).text == "as processed"
    monkeypatch.setattr("gnn_distill.storage.code_hash.source_of", lambda name: b"changed")
    monkeypatch.setattr("gnn_distill.storage.code_hash._known", code_hash._code_of)
    assert read(Set, "Class/set", FILES, NOWHERE, paths, code).text == "ab"


def test_another_set_below_keeps_its_processed_files(paths: PathsConfig) -> None:
    other = Path(paths.data) / "Class" / "set" / "geom-gcn"
    for part in ("raw", "processed"):
        (other / part).mkdir(parents=True)
        (other / part / "file").write_text("other")
    load(paths)
    assert (other / "processed" / "file").read_text() == "other"
    assert not (other / "processed" / SIDECAR).exists()


@pytest.fixture
def not_ours(paths: PathsConfig, monkeypatch: pytest.MonkeyPatch) -> PathsConfig:
    """A complete data folder that cannot be written; permissions do not hold root back, so the lock and others fail."""
    load(paths)
    paths.mirror = None

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    for name in ("mkdir", "write_text"):
        monkeypatch.setattr(Path, name, refuse)
    monkeypatch.setattr("shutil.rmtree", refuse)
    return paths


class OnlyReading(Set):
    def __init__(self, root: str) -> None:
        processed = Path(root) / "set" / "processed" / "data.pt"
        if not processed.exists():
            processed.write_text("")
        self.text = processed.read_text()


def load_only(paths: PathsConfig) -> str:
    return read(OnlyReading, "Class/set", FILES, NOWHERE, paths).text


def test_a_complete_folder_of_somebody_else_is_read_without_a_lock(not_ours: PathsConfig) -> None:
    assert load_only(not_ours) == "ab"
    (Path(not_ours.data) / "Class" / "set" / "processed" / SIDECAR).unlink()  # as older versions left it
    assert load_only(not_ours) == "ab"


def test_what_is_not_fit_to_be_read_without_writing(not_ours: PathsConfig) -> None:
    home = Path(not_ours.data) / "Class" / "set"
    remedy = rf"Set paths\.data to a folder of your own, and paths\.mirror={not_ours.data}"
    with (home / "raw" / "b.txt").open("w") as file:
        file.write("new")
    with pytest.raises(UserError, match=f"{home}: its processed files are older .*{remedy}"):
        load_only(not_ours)
    for file in (home / "processed").iterdir():
        file.unlink()
    with pytest.raises(UserError, match=f"{home}: has not been processed yet, and cannot be written .*{remedy}"):
        load_only(not_ours)
    (home / "raw" / "b.txt").unlink()
    with pytest.raises(UserError, match=r"paths\.data=.*cannot be written \(.*Permission denied\)\. Choose another"):
        load_only(not_ours)


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
