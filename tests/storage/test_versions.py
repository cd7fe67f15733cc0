"""Files that version 1 of every format wrote are read, whatever becomes of the versions of other formats.

They are in written_by_version_1, made by a run of two epochs, one that was stopped after its first, and both's store;
figures, and one checkpoint, were left out for their size. They stay as they are.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import gnn_distill as package
from gnn_distill.results.report import write_report
from gnn_distill.results.runs import read_runs, row_of
from gnn_distill.storage import checkpoint
from gnn_distill.storage.checksums import NewerVersion, OlderVersion, metadata, read_json, write_json
from gnn_distill.storage.run_directory import read_summary, verify_run
from gnn_distill.storage.settings import Settings
from gnn_distill.storage.store import KEY_FILE, Store, content_key, entry_key
from gnn_distill.storage.versions import CONTENTS, FORMATS, Format

WRITTEN = Path(__file__).parent / "written_by_version_1"
OF_PROBES = {"targets", "probes"}, {"probe.json", "profile.json"}
"""What probes of a finished run leave in the store, and in its folder: no run writes these."""
LATER = {"patches", "floors", "hops"}
"""Kinds that came when these files had been written."""


@pytest.fixture(autouse=True)
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with finished/, unfinished/ and store/, which is the current one."""
    shutil.copytree(WRITTEN, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bump(patch: pytest.MonkeyPatch, *names: str, drop: bool = False) -> None:
    """Give formats one more version; with `drop` those before are no longer read."""
    for name in names:
        changes = (*FORMATS[name].changes, "something new")
        patch.setitem(FORMATS, name, Format(changes, len(changes) if drop else 1))


def entries() -> list[tuple[str, str, dict]]:
    """Kind, key and parts of the entries in the store."""
    told = [(file.parent, read_json(file)) for file in sorted(Path("store").glob(f"*/*/{KEY_FILE}"))]
    return [(folder.parent.name, folder.name, facts["parts"]) for folder, facts in told]


def never(folder: Path) -> None:
    pytest.fail("made again")


def find_in_store() -> None:
    for kind, key, parts in entries():
        entry = Store("store").get(kind, parts, never)
        assert entry.path == Path("store", kind, key)
        read = checkpoint.load if kind in ("teachers", "signals") else checkpoint.load_tensors
        assert read(entry.path / CONTENTS[kind])


def predict() -> None:
    predictor = package.load("finished")
    assert (predictor.spec.name, predictor.spec.num_outputs) == ("typed_edges", 1)


def make_row() -> None:
    row = row_of(Path("finished"))
    assert (row["name"], row["n_test"], row["overrides"][:20]) == (
        *("graphormer<-gin typed_edges s0", 10),
        "dataset.num_train=12",
    )
    assert row["student_test"] == pytest.approx(0.2)


def read_the_teacher() -> None:
    state = checkpoint.load(Path("finished/checkpoints/teacher.safetensors"))
    assert len(state["history"]) == 2


def read_settings() -> None:
    assert Settings.read(Path("unfinished")).config["teacher"]["hidden_channels"] == 8


class Reader(NamedTuple):
    read: Callable[[], object]
    files: tuple[str, ...]
    """Those of which a newer version is refused."""
    more: tuple[str, ...] = ()
    """Names of others that it reads, or whose versions keys hold."""


READERS = {
    "predicting": Reader(predict, ("finished/student.json", "finished/student.safetensors")),
    "report": Reader(lambda: write_report("finished"), ("finished/summary.json", "finished/manifest.json")),
    "row": Reader(make_row, ("finished/summary.json",), ("manifest.json",)),
    "manifest": Reader(lambda: verify_run(Path("finished")), ("finished/manifest.json",)),
    "teacher": Reader(read_the_teacher, ("finished/checkpoints/teacher.safetensors",)),
    "settings": Reader(read_settings, ("unfinished/run.json",)),
    "split": Reader(
        lambda: checkpoint.load_tensors(Path("finished/split.safetensors")), ("finished/split.safetensors",)
    ),
    "state": Reader(
        lambda: checkpoint.load(Path("unfinished/checkpoints/last.safetensors")),
        ("unfinished/checkpoints/last.safetensors",),
    ),
    "store": Reader(find_in_store, ("store/teachers/*/key.json",), tuple(CONTENTS.values())),
}


@pytest.mark.parametrize("name", READERS)
def test_files_of_version_1_are_read_by_later_versions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = READERS[name]
    reader.read()
    with monkeypatch.context() as patch:
        bump(patch, *FORMATS)
        reader.read()
    own = {*(Path(file).name for file in reader.files), *reader.more}
    bump(monkeypatch, *(FORMATS.keys() - own), drop=True)
    reader.read()


def rewrite(file: Path) -> None:
    if file.suffix == ".json":
        write_json(file, read_json(file))
    elif "state" in metadata(file):
        checkpoint.save(file, checkpoint.load(file))
    else:
        checkpoint.save_tensors(file, {name: value.clone() for name, value in checkpoint.load_tensors(file).items()})


@pytest.mark.parametrize(("name", "place"), [(name, place) for name in READERS for place in READERS[name].files])
def test_a_newer_version_is_refused_by_name(name: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = Path().glob(place)
    with monkeypatch.context() as patch:
        bump(patch, file.name)
        rewrite(file)
    before, newest = file.read_bytes(), FORMATS[file.name].current
    with pytest.raises(NewerVersion) as refused:
        READERS[name].read()
    assert str(refused.value) == (
        f"{file}: was written by a newer version of gnn-distill (format version {newest + 1}; this one reads up to "
        f"{newest}). "
        "The file is intact: update gnn-distill, or use another folder."
    )
    assert file.read_bytes() == before


def test_what_is_no_longer_read_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    bump(monkeypatch, "summary.json", drop=True)
    with pytest.raises(
        OlderVersion, match=r"finished/summary\.json: was written by an older version .*\(format version 1"
    ):
        read_summary("finished")
    told: list[str] = []
    assert read_runs(["finished"], told.append).empty
    assert "1 folders of runs are ignored. finished/summary.json: was written by an older version" in told[0]


def test_keys_of_the_store_depend_on_their_own_kind_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {kind for kind, *_ in entries()} == {*CONTENTS} - OF_PROBES[0] - LATER
    for kind, key, parts in entries():
        assert entry_key(kind, parts) == key
        with monkeypatch.context() as patch:
            bump(patch, *FORMATS)
            bump(patch, *(FORMATS.keys() - {CONTENTS[kind]}), drop=True)
            assert entry_key(kind, parts) == key
            bump(patch, CONTENTS[kind], drop=True)
            assert entry_key(kind, parts) != key


def test_a_run_that_goes_on_finds_what_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    bump(monkeypatch, *FORMATS)
    began_with = read_json(Path("unfinished/run.json"))["entries"]
    for kind, key, parts in entries():
        asked = {name: value for name, value in parts.items() if name != "made_with"}
        assert began_with[content_key({"kind": kind, **asked})] == key


def test_the_data_set_chosen_by_default_is_known_whatever_is_the_default_now(written: Path) -> None:
    assert Settings.read(Path("unfinished")).dataset == "typed_edges"
    Path("unfinished", "run.json").unlink()
    assert Settings.read(Path("unfinished")).dataset == "typed_edges"


def test_an_unfinished_run_goes_on(
    written: Path, gnn_distill: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bump(monkeypatch, *FORMATS)
    status, out, err = gnn_distill("train", "resume=unfinished")
    assert (status, err) == (0, "")
    assert "Resuming the student after epoch 1." in out
    assert read_summary("unfinished")["epochs"] == 2
    versions = {file.relative_to(written).as_posix(): version_of(file) for file in written.rglob("*.*")}
    known = {name: version for name, version in versions.items() if Path(name).name in FORMATS}
    wrote = {Path(name).name for name, version in known.items() if version == FORMATS[Path(name).name].current}
    in_store = {"running.safetensors", KEY_FILE, *CONTENTS.values()}
    assert wrote | in_store | OF_PROBES[1] | {"nodes.json"} == {*FORMATS}, "each file has a format of its own"


def version_of(file: Path) -> int | None:
    """The version that stands in a file with a checksum of its own."""
    if file.suffix == ".safetensors":
        return metadata(file, verify=False)["schema_version"]
    return json.loads(file.read_text()).get("schema_version") if file.suffix == ".json" else None
