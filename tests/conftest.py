"""Fixtures that several folders of tests share."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Always the same examples, so that a failure is there again when it is looked for; slow machines fail nothing.
settings.register_profile("tests", max_examples=25, deadline=None, derandomize=True)
settings.load_profile("tests")

BESIDE_CHECKOUT = Path(__file__).parents[2] / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    """Two threads at most, which is as much as small tests can use, and one for each of several workers.

    Workers inherit the variable: as they start they import NumPy, which reads it once.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1" if getattr(config.option, "numprocesses", None) else "2")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Read-only folder of raw files of real data sets."""
    folder = Path(os.environ.get("GNN_DISTILL_MIRROR") or BESIDE_CHECKOUT)
    if not folder.is_dir():
        pytest.skip("no mirror of raw files: set GNN_DISTILL_MIRROR to its folder")
    return folder


@pytest.fixture
def gnn_distill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Iterator[Callable]:
    """Call the command line in this process, in an empty folder; gives its status, output and errors."""
    from gnn_distill.cli import main as cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    (tmp_path / "file").touch()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gnn-distill", *words])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()

    yield call
    # Hydra's handlers write to a stream that ends with the test.
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process draw no learning curves and fit no forests, which take longer than a small run itself."""
    from gnn_distill.pipeline import floors, run

    monkeypatch.setattr(run, "learning_curves", lambda *_: [])
    monkeypatch.setattr(floors, "_is_quick", lambda *_: False)
