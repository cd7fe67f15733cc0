"""docs/tutorials/*.md run as they are written, each in a folder of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md"))
BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
NEEDED = {"molecules": {"MoleculeNet/bace/raw/bace.csv": "bace.csv"}, "nodes": {"Planetoid/Cora/raw": "data/Cora/raw"}}
"""Files of the mirror that a page's reader has in the working folder."""
AS_SHELL = "import shlex, subprocess\nfor line in {lines!r}:\n    subprocess.run(shlex.split(line), check=True)\n"


def script_of(page: str) -> str:
    """The page's blocks, one after another, as one program; commands run in their place."""
    text = (FOLDER / f"{page}.md").read_text()
    blocks = [(kind, block) for kind, block in BLOCK.findall(text)]
    assert len(blocks) >= 3
    return "\n".join(code if kind == "python" else AS_SHELL.format(lines=code.splitlines()) for kind, code in blocks)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_page_runs_as_it_is_written(page: str, tmp_path: Path, mirror: Path) -> None:
    for name, place in NEEDED.get(page, {}).items():
        source, target = mirror / name, tmp_path / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "OMP_NUM_THREADS": "1", "GNN_DISTILL_MIRROR": str(mirror)}
    command = [sys.executable, "-c", script_of(page)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr


def test_each_kind_of_use_has_a_page() -> None:
    assert PAGES == ["comparing", "molecules", "nodes"]
    shown = (FOLDER.parent / "python.md").read_text()
    assert all(f"tutorials/{page}.md" in shown for page in PAGES)
