"""No step of a student, and no term, makes a GPU wait: all of them on a device whose numbers nobody can read."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize("file", ["losses/waits_of_terms.py", "models/waits_of_models.py"])
def test_nothing_waits(file: str) -> None:
    """In a process of its own: PyTorch keeps what is registered as an accelerator, and other code takes notice."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TESTS / file)]
    done = subprocess.run(words, cwd=TESTS.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(done.stdout.rsplit(" passed", 1)[0].split()[-1]) > 40
