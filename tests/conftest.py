"""Fixtures that several folders of tests share."""

import os
from pathlib import Path

import pytest

# More threads than these make small tests slower. Set before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "2")

BESIDE_CHECKOUT = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Read-only folder of raw files of real data sets."""
    folder = Path(os.environ.get("GNN_DISTILL_MIRROR") or BESIDE_CHECKOUT)
    if not folder.is_dir():
        pytest.skip("no mirror of raw files: set GNN_DISTILL_MIRROR to its folder")
    return folder
