import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

import pytest
import yaml

from gnn_distill import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def test_one_version():
    assert PROJECT["version"] == __version__


@pytest.mark.parametrize(
    ("constraints", "extras"), [("constraints.txt", {*EXTRAS} - {"ray"}), ("constraints-ray.txt", {"ray"})]
)
def test_every_dependency_is_pinned_in_the_constraints(constraints: str, extras: set[str]):
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = [line for line in (ROOT / constraints).read_text().splitlines() if not line.startswith("#")]
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    for line in chain(PROJECT["dependencies"], *(EXTRAS[extra] for extra in sorted(extras))):
        requirement = Requirement(line)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_importing_the_package_is_cheap_and_load_is_there():
    code = "import sys, gnn_distill; assert 'torch' not in sys.modules; assert callable(gnn_distill.load)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_wheel_carries_the_config_and_works_elsewhere(tmp_path: Path):
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    carried = set(zipfile.ZipFile(wheel).namelist())
    assert {f"gnn_distill/{path.relative_to(ROOT)}" for path in (ROOT / "conf").rglob("*.yaml")} <= carried
    templates = [*(ROOT / "gnn_distill" / "results" / "templates").iterdir()]
    assert {str(path.relative_to(ROOT)) for path in templates} <= carried

    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    program = "import sys; sys.path.insert(0, sys.argv.pop(1)); from gnn_distill.cli import main as cli; "
    program += "print(cli.CONF_DIR); cli.main()"
    for words, told in ((["train", "--cfg", "job"], "teacher:"), (["datasets", "--cfg", "job"], "paths:")):
        answer = subprocess.run(
            [sys.executable, "-c", program, str(site), *words],
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert answer.stdout.startswith(f"{site / 'gnn_distill' / 'conf'}\n")
        assert told in answer.stdout


def test_the_citation_says_what_the_package_says():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["cff-version"] == "1.2.0"
    assert cited["message"]
    assert cited["title"].startswith(PROJECT["name"])
    assert (str(cited["version"]), cited["license"]) == (__version__, PROJECT["license"])
    assert cited["authors"] == PROJECT["authors"]
