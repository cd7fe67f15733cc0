"""What the pages name exists: files, links, commands with their choices, and the code of every paper."""

import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from small_tasks import choices

from gnn_distill.cli.main import COMMANDS, CONF_DIR
from gnn_distill.config import schema
from gnn_distill.config.check import validate

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gnn_distill"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
}
ROOMS = [path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
FOLDERS = ("gnn_distill", "conf", "docs", "tests", "scripts", "benchmarks", *ROOMS)
WRITTEN = {"docs/extending.md": ("conf/", "mine/")}
"""Folders that a page makes itself; its own test has them."""
GROUPS = [path.name for path in CONF_DIR.iterdir() if path.is_dir() and path.name != "hydra"]


def paths_in(text: str) -> set[str]:
    """`gnn_distill/cpu.py` or, as below the package, `data/task.py`; not those with a <placeholder>."""
    words = {word.strip("`,;:()'\"").rstrip(".") for word in text.split()}
    return {word for word in words if re.fullmatch(rf"(?:{'|'.join(FOLDERS)})/[\w./*-]*", word)}


def there(path: str) -> bool:
    return any(any(base.glob(path.rstrip("/"))) for base in (ROOT, PACKAGE))


@pytest.mark.parametrize("page", PAGES)
def test_paths_that_a_page_names_exist(page: str) -> None:
    own = WRITTEN.get(page, ())
    wrong = {path for path in paths_in(PAGES[page]) if not path.startswith(own or "\n") and not there(path)}
    assert wrong == set()


def test_paths_are_found_in_pages() -> None:
    assert {"gnn_distill/cpu.py", "data/task.py"} <= paths_in("`gnn_distill/cpu.py`, or `data/task.py`;")
    assert paths_in("see `conf/dataset/<name>.yaml` and `conf/loss/no.yaml`") == {"conf/loss/no.yaml"}
    assert not there("conf/loss/no.yaml")
    assert len(paths_in(PAGES["docs/architecture.md"])) > 30


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_pages_and_headings(page: str) -> None:
    for target in re.findall(r"\]\((?!https:)([^)\s]+)\)", PAGES[page]):
        file, _, heading = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


def commands_in(text: str) -> list[list[str]]:
    """`gnn-distill …` of code blocks, word by word, without comments."""
    lines = re.findall(r"^(?:    )?(gnn-distill .*|.* && gnn-distill .*)$", text, flags=re.MULTILINE)
    return [shlex.split(line[line.index("gnn-distill") :], comments=True)[1:] for line in lines]


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_choices_exist(page: str) -> None:
    for words in commands_in(PAGES[page]):
        assert words[0] in COMMANDS, words
    if page not in WRITTEN:
        for group, choice in re.findall(rf"(?<![\w.@/])({'|'.join(GROUPS)})=([\w/]+)", PAGES[page]):
            own = (group, choice) == ("table", "mine")  # the example of docs/tables.md
            assert own or (CONF_DIR / group / f"{choice}.yaml").exists(), f"{group}={choice}"


@pytest.mark.parametrize("page", [page for page in PAGES if page not in WRITTEN])
def test_commands_to_train_compose(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    (tmp_path / "my.csv").write_text("smiles,logS\nCCO,0.1\n")
    schema.register()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        for words in commands_in(PAGES[page]):
            if words[0] == "train" and "resume=" not in " ".join(words):
                single = [re.sub(r"=([\d.]+),[\d.,]+$", r"=\1", word) for word in words[1:] if word != "-m"]
                validate(compose("train", overrides=[word for word in single if word[0] not in "-$"]))


def test_every_paper_has_its_preset_its_function_and_its_tests() -> None:
    section = PAGES["docs/method.md"].partition("## From paper to code")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")][1:]
    code = "\n".join(path.read_text() for path in PACKAGE.glob("[lm]o*/**/*.py"))
    assert len(rows) == 14
    for paper, preset, functions, tests in rows:
        (choice,) = re.findall(r"`loss=(\w+)`", preset)
        assert choice in choices("loss"), paper
        files = [ROOT / "tests" / "losses" / name for name in re.findall(r"`(\w+\.py)`", tests)]
        assert files, paper
        assert all(file.exists() for file in files), paper
        names = re.findall(r"`(\w+)`", functions)
        assert names, paper
        assert all(re.search(rf"^(?:def|class) {name}\b", code, flags=re.MULTILINE) for name in names), paper
