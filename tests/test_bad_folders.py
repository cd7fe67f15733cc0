"""Run directories and checkpoints that are torn, hostile or somebody else's."""

import hashlib
import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch
from refusals import refusal
from safetensors.torch import save_file
from small_tasks import make_spec, preset

from gnn_distill import load
from gnn_distill.config.schema.run import TrainConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.errors import UserError
from gnn_distill.models import build_student, build_teacher
from gnn_distill.models.pretrained import load_pretrained
from gnn_distill.predict import SETTINGS, WEIGHTS, save_student
from gnn_distill.results.report import write_report
from gnn_distill.results.runs import COLUMNS, read_runs
from gnn_distill.storage.bounded import MOST_JSON
from gnn_distill.storage.checksums import BLANK, write_json
from gnn_distill.storage.run_directory import RunDirectory, verify_run


class Bomb:
    """A pickle that makes a folder when it is read."""

    def __reduce__(self) -> tuple:
        return os.mkdir, ("was_here",)


SPEC = make_spec()
TEACHER = TeacherConfig(name="gin", hidden_channels=8, num_layers=1)


def weights() -> dict[str, torch.Tensor]:
    return build_teacher(TEACHER, SPEC).state_dict()


def with_nan() -> dict[str, torch.Tensor]:
    return {name: value * float("nan") if value.is_floating_point() else value for name, value in weights().items()}


# A checkpoint's ending, how it is written (None: not at all), and what the message must hold.
CHECKPOINTS = {
    "missing": (".pt", None, "no such file."),
    "a folder": (".pt", Path.mkdir, "no such file."),
    "another ending": (".bin", lambda path: torch.save(weights(), path), "must be a .pt, .pth, .ckpt or"),
    "empty": (".pt", Path.touch, "cannot be read as plain weights."),
    "empty safetensors": (".safetensors", Path.touch, "cannot be read as plain weights."),
    "text": (".safetensors", lambda path: path.write_text("hello" * 9), "cannot be read as plain weights."),
    "long header": (".safetensors", lambda path: path.write_bytes(b"\xff" * 99), "cannot be read as plain weights."),
    "torn": (".pt", lambda path: (torch.save(weights(), path), os.truncate(path, 900)), "read as plain weights"),
    "a bomb": (".pt", lambda path: torch.save(Bomb(), path), "cannot be read as plain weights."),
    "a bomb inside": (".pth", lambda path: torch.save({"model": weights(), "x": Bomb()}, path), "as plain weights."),
    "a bare pickle": (".pt", lambda path: path.write_bytes(pickle.dumps(Bomb())), "cannot be read as plain weights."),
    "an old bomb": (
        ".pt", lambda path: torch.save(Bomb(), path, _use_new_zipfile_serialization=False), "read as plain weights",
    ),
    "a module": (".pt", lambda path: torch.save(torch.nn.Linear(2, 2), path), "cannot be read as plain weights."),
    "a tensor": (".pt", lambda path: torch.save(torch.ones(2), path), "contains no state dict."),
    "a list": (".pt", lambda path: torch.save([1, 2], path), "contains no state dict."),
    "settings": (".pt", lambda path: torch.save({"lr": 0.1}, path), "contains no state dict."),
    "another width": (
        ".pt", lambda path: torch.save({name: x[..., :1] for name, x in weights().items() if x.dim()}, path),
        "the weights do not fit the teacher.",
    ),
    "another model": (".safetensors", lambda path: save_file({"a": torch.ones(2)}, path), "the weights do not fit"),
    "nothing": (".safetensors", lambda path: save_file({}, path), "the weights do not fit the teacher."),
    "NaN": (".pt", lambda path: torch.save(with_nan(), path), "contains non-finite values"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_a_bad_checkpoint_is_refused_by_name(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    ending, write, expected = CHECKPOINTS[case]
    path = tmp_path / f"teacher{ending}"
    if write:
        write(path)
    config = TeacherConfig(**vars(TEACHER) | {"checkpoint": str(path)})
    message = refusal(lambda: load_pretrained(build_teacher(config, SPEC), config), capsys, monkeypatch)
    assert message.startswith(f"teacher.checkpoint={path}: ")
    assert expected in message
    assert not Path("was_here").exists()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What is left of a finished run once its checksums are gone: nothing vouches for it."""
    folder = tmp_path / "run"
    (folder / ".hydra").mkdir(parents=True)
    config = TrainConfig(teacher=TeacherConfig(name="none"), student=preset("student", "transformer", num_layers=1))
    student = build_student(config.student, config.encoding, SPEC)
    save_student(folder, student, SPEC, config)
    (folder / ".hydra" / "config.yaml").write_text("dataset: {name: small}\nstudent: {name: transformer}\n")
    (folder / ".hydra" / "overrides.yaml").write_text("- seed=1\n")
    (folder / "metrics.csv").write_text("stage,epoch,train/loss\nstudent,1,0.5\nstudent,2,0.25\n")
    return folder


YAML_BOMB = "!!python/object/apply:os.mkdir ['was_here']"
# A file of a run, and what it holds instead.
FILES = {
    "config of aliases": (".hydra/config.yaml", "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"),
    "metrics of many stages": ("metrics.csv", "stage,epoch\n" + "".join(f"{stage},1\n" for stage in range(99))),
    "config torn": (".hydra/config.yaml", "a: [1, 2"),
    "config a bomb": (".hydra/config.yaml", YAML_BOMB),
    "config a list": (".hydra/config.yaml", "[1, 2]"),
    "config without sections": (".hydra/config.yaml", "teacher: 3\nstudent: 4\n"),
    "config of nobody's keys": (".hydra/config.yaml", "dataset: {name: '${nope}'}"),
    "config in bytes": (".hydra/config.yaml", b"\xff\xfe"),
    "overrides torn": (".hydra/overrides.yaml", "- 'a"),
    "overrides a bomb": (".hydra/overrides.yaml", f"- {YAML_BOMB}"),
    "overrides of numbers": (".hydra/overrides.yaml", "- 3\n- null\n"),
    "metrics of words": ("metrics.csv", "stage,epoch,train/loss\nstudent,1,low\n"),
    "metrics of another kind": ("metrics.csv", "a,b\n1,2\n"),
    "metrics in bytes": ("metrics.csv", b"\xff\xfe\x00"),
    "metrics with a long field": ("metrics.csv", "stage,epoch\n" + '"' + "x" * 200_000 + '",1\n'),
    "summary empty": ("summary.json", ""),
    "summary a list": ("summary.json", "[]"),
    "summary a pickle": ("summary.json", pickle.dumps(Bomb())),
    "summary of depth": ("summary.json", "[" * 100_000),
    "summary of others": ("summary.json", {"student": 3, "metric": "accuracy"}),
    "summary without a score": ("summary.json", {"student": {"test": {"accuracy": "high"}}, "metric": "accuracy"}),
    "failure a list": ("failed.json", "[]"),
    "failure empty": ("failed.json", ""),
}


LINKS = (
    *(".hydra/config.yaml", ".hydra/overrides.yaml", ".hydra", "metrics.csv", "summary.json", "failed.json"),
    *("run.json", "manifest.json"),
)


def lead_out(run: Path, name: str) -> None:
    """Put a link in the place of a file or folder: to one outside, which holds a secret."""
    outside = run.parent / "outside"
    outside.mkdir()
    for file in ("secret", "config.yaml", "overrides.yaml"):
        (outside / file).write_text("my_key: hunter2\n")
    if (run / name).is_dir():
        shutil.rmtree(run / name)
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(outside if name == ".hydra" else outside / "secret")


@pytest.mark.parametrize("name", LINKS)
def test_a_report_follows_no_link_out_of_the_folder(
    name: str, run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    if name in ("manifest.json", "summary.json"):
        put(run / "summary.json", {"metric": "accuracy"})
        put(run / "manifest.json", {"files": {}})
    lead_out(run, name)
    message = refusal(lambda: write_report(run), capsys, monkeypatch)
    assert name in message
    assert "hunter2" not in message
    assert not (run / "report.html").exists()


@pytest.mark.parametrize("name", [SETTINGS, WEIGHTS])
def test_a_student_is_not_read_through_a_link(
    name: str, run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    os.replace(run / name, run.parent / name)
    (run / name).symlink_to(run.parent / name)
    assert "links outside its folder" in refusal(lambda: load(run), capsys, monkeypatch)


@pytest.mark.parametrize("name", ["metrics.csv", ".hydra/config.yaml", "run.json", "checkpoints/last.safetensors"])
def test_no_run_is_gone_on_with_through_a_link(name: str, run: Path):
    put(run / "run.json", {"config_hash": "0"})
    lead_out(run, name) if "/last" not in name else (run / "checkpoints").symlink_to("/")
    with pytest.raises(UserError, match="links outside its folder"):
        RunDirectory(run, resume=True)


def test_a_manifest_names_no_files_outside(run: Path):
    put(run / "summary.json", {"metric": "accuracy"})
    for name in ("../../../../../../dev/zero", "/dev/zero", "pipe"):
        put(run / "manifest.json", {"files": {name: {"size": 0, "sha256": "0"}}})
        if name == "pipe":
            os.mkfifo(run / "pipe")
        with pytest.raises(UserError, match="links outside its folder, or is not a regular file"):
            verify_run(run)


def test_a_table_reads_no_rows_through_links_and_pipes(run: Path):
    (run.parent / "rows.csv").write_text(",".join(COLUMNS) + "\n")
    (run / "rows.csv").symlink_to(run.parent / "rows.csv")
    os.mkfifo(run / "pipe.csv")
    os.mkfifo(run / "summary.json")
    told = []
    assert len(read_runs([run], warn=told.append)) == 0
    assert "summary.json: is damaged" in told[0]


def put(file: Path, content: str | bytes | dict) -> None:
    if isinstance(content, dict):
        write_json(file, content)
    else:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("case", FILES)
def test_a_report_on_what_makes_no_sense(
    case: str, run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    name, content = FILES[case]
    put(run / name, content)
    message = refusal(lambda: write_report(run), capsys, monkeypatch)
    assert str(run) in message
    assert not Path("was_here").exists()
    assert len(read_runs([run], warn=lambda text: None)) == 0  # nor is it a run of any table


def settings(run: Path, **changes: object) -> dict:
    told = json.loads((run / SETTINGS).read_text())
    return {key: value for key, value in (told | changes).items() if key not in ("schema_version", "checksum")}


def sealed_text(text: str) -> str:
    """JSON in the form of ours, whatever it says, with the checksum that is right for it."""
    whole = f'{text[:-1]}, "checksum": "{BLANK}"\n}}\n'
    return whole.replace(BLANK, hashlib.sha256(whole.encode()).hexdigest())


def sealed_weights(header: str, length: int | None = None) -> bytes:
    """A safetensors file of this header, where § is our section, with the checksum that is right for it."""
    section = json.dumps(json.dumps({"schema_version": 1, "checksum": BLANK}))
    raw = header.replace("§", section).encode()
    raw = (length or len(raw)).to_bytes(8, "little") + raw
    return raw.replace(BLANK.encode(), hashlib.sha256(raw).hexdigest().encode())


DEEP = '{"schema_version": 1, "a": ' + "[" * 100_000 + "]" * 100_000 + "}"
STUDENTS = {
    "sealed without version": (SETTINGS, lambda run: sealed_text('{"a": 1}')),
    "sealed of depth": (SETTINGS, lambda run: sealed_text(DEEP)),
    "sealed without sense": (SETTINGS, lambda run: sealed_text('{"schema_version": nope}')),
    "settings without end": (SETTINGS, lambda run: "x" * (MOST_JSON + 1)),
    "a width of millions": (
        SETTINGS,
        lambda run: settings(run, student={"name": "transformer", "hidden_channels": 10**7}),
    ),
    "layers of millions": (SETTINGS, lambda run: settings(run, student={"name": "transformer", "num_layers": 10**9})),
    "a header without end": (WEIGHTS, lambda run: sealed_weights('{"__metadata__": §}', length=2**40)),
    "a header of a list": (WEIGHTS, lambda run: sealed_weights("[§]")),
    "a section of a number": (WEIGHTS, lambda run: sealed_weights('{"__metadata__": {"gnn_distill": 3, "x": §}}')),
    "a header of depth": (WEIGHTS, lambda run: sealed_weights('{"x": §, "y": ' + "[" * 100_000 + "}")),
    "a tensor of nothing": (
        WEIGHTS,
        lambda run: sealed_weights(
            '{"__metadata__": {"gnn_distill": §}, "w": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}'
        ),
    ),
    "settings empty": (SETTINGS, lambda run: ""),
    "settings of another kind": (SETTINGS, lambda run: {"a": 1}),
    "an unknown key": (SETTINGS, lambda run: settings(run, student={"name": "transformer", "evil": 1})),
    "an unknown student": (SETTINGS, lambda run: settings(run, student={"name": "nope"})),
    "a negative width": (SETTINGS, lambda run: settings(run, student={"name": "transformer", "hidden_channels": -4})),
    "another width": (SETTINGS, lambda run: settings(run, student={"name": "transformer", "hidden_channels": 32})),
    "a module of somebody's own": (SETTINGS, lambda run: settings(run, student={"name": "evil.module"})),
    "weights empty": (WEIGHTS, lambda run: b""),
    "weights a bomb": (WEIGHTS, lambda run: pickle.dumps(Bomb())),
    "weights torn": (WEIGHTS, lambda run: (run / WEIGHTS).read_bytes()[:-8]),
}


@pytest.mark.parametrize("case", STUDENTS)
def test_a_student_that_cannot_be_loaded(
    case: str, run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "module.py").write_text("import os; os.mkdir('was_here')")
    name, content = STUDENTS[case]
    put(run / name, content(run))
    assert str(run / name) in refusal(lambda: load(run), capsys, monkeypatch) or name == WEIGHTS
    assert not Path("was_here").exists()
    assert "evil" not in sys.modules


def test_a_folder_without_a_run(
    run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    shutil.rmtree(run)
    for folder in (run, tmp_path):
        assert f"{folder}: no finished run found here" in refusal(lambda at=folder: load(at), capsys, monkeypatch)
        assert f"report.path={folder}: " in refusal(lambda at=folder: write_report(at), capsys, monkeypatch)
