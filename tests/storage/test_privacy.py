"""What pages and trackers tell of the machine: no places, and commands that work nevertheless."""

import os
import subprocess
from pathlib import Path

import pytest
from markupsafe import Markup

from gnn_distill.storage.privacy import ROOT, Verbatim, command, for_page, shorten_paths, shortened


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a working folder in it."""
    folder = tmp_path / "o'brien"
    (folder / "projects").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder / "projects")
    return folder


def test_paths_are_shortened(home: Path) -> None:
    for text, told in {
        f"{home}/projects/outputs/run": "outputs/run",
        f"Files: {home}/projects": "Files: .",
        f"{home}/data/a.csv: line 3": "~/data/a.csv: line 3",
        f"'{home}/a' and '{home}/b'": "'~/a' and '~/b'",
        "mirror: /scratch/clients/acme": "mirror: …/acme",
        "of /home/alice/secret/x.csv": "of ~/secret/x.csv",
        r"C:\Users\bob\x.csv": r"~\x.csv",
        'File "/usr/lib/python3/site-packages/torch/nn/modules.py", line 7': 'File "torch/nn/modules.py", line 7',
        f'File "{ROOT}/gnn_distill/cli/main.py"': 'File "gnn_distill/cli/main.py"',
        "see /srv/works/x": "see …/x",
    }.items():
        assert shortened(text) == told
        assert shortened(told) == told


@pytest.mark.parametrize(
    "text",
    [
        "F/C=C/F",
        "C(=O)/C=C/C",
        "https://arxiv.org/abs/1",
        "and/or",
        "1/2",
        "outputs/a/b",
        "../a/b",
        "/data",
        "a // b /",
    ],
)
def test_what_is_no_path_stays(text: str) -> None:
    assert shortened(text) == text


def test_commands_work_and_tell_no_places(home: Path) -> None:
    words = [
        *("gnn-distill", "train", f"dataset.path={home}/data/a b.csv", f"dataset.file='{home}/projects/x'"),
        *("paths.mirror=/scratch/me/data", f"+paths.store='{home}/store'", "paths.data=data", "tracker=none", "n='$x'"),
        "teacher.checkpoint=/home/alice/net.pt",
    ]
    told = command(words)
    assert str(home) not in told
    assert "alice" not in told
    spoken = subprocess.run(["sh", "-c", f"printf '%s\\n' {told}"], capture_output=True, text=True, check=True).stdout
    kept = [*words[:3], "dataset.file='x'", "paths.data=data", "tracker=none", "n='$x'"]
    assert spoken.splitlines() == [*kept, f"teacher.checkpoint={home}/net.pt"]


def test_only_texts_of_a_page_are_shortened() -> None:
    for value in (7, None, Markup("<svg>/a/b/c"), Verbatim("cat /a/b/c")):
        assert for_page(value) is value
    assert for_page("/a/b/c") == "…/c"
    values = {"a": ["/x/y", 1], "b": {"c": os.getcwd()}, "d": ("/x/y",)}
    assert shorten_paths(values) == {"a": ["…/y", 1], "b": {"c": "."}, "d": ["…/y"]}
