import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from gnn_distill.storage import provenance as module
from gnn_distill.storage.provenance import code_version, config_hash, environment, run_code


def config(**changes):
    return OmegaConf.create(
        {"seed": 0, "optim": {"lr": 1e-3}, "paths": {"data": "a"}, "tracker": {"name": "none"}} | changes
    )


def test_environment_names_versions_and_machine():
    summary = environment()
    assert summary["packages"]["torch"] == torch.__version__
    assert {"numpy", "hydra-core", "torch_geometric"} <= summary["packages"].keys()
    assert summary["threads"] == torch.get_num_threads()
    assert summary["device"].startswith("cpu (")
    assert json.loads(json.dumps(summary)) == summary


@pytest.mark.parametrize(
    "changes", [{"paths": {"data": "b"}}, {"tracker": {"name": "wandb"}}, {"optim": {"lr": "${lr}"}, "lr": 1}]
)
def test_config_hash_ignores_only_places(changes):
    same = "optim" not in changes
    assert (config_hash(config()) == config_hash(config(**changes))) is same


def test_a_key_that_came_later_changes_no_hash_until_it_is_set():
    for key, before in module.ADDED_KEYS.items():
        named = config()
        OmegaConf.update(named, key.rpartition(".")[0], {})
        old = config_hash(named)
        OmegaConf.update(named, key, before)
        assert config_hash(named) == old, key
        OmegaConf.update(named, key, {"mine": {"weight": 0.5}} if before == {} else "other")
        assert config_hash(named) != old, key


def test_a_key_that_came_later_may_lie_in_a_section_of_a_section(monkeypatch):
    monkeypatch.setitem(module.ADDED_KEYS, "loss.schedule.own", {"enter": 0})
    old = config(loss={"schedule": {"form": "linear"}})
    new = config(loss={"schedule": {"form": "linear", "own": {"enter": 0}}})
    assert config_hash(new) == config_hash(old)


def test_config_hash_depends_on_settings_not_on_their_order_or_spelling():
    spelled = OmegaConf.create({"optim": {"lr": "${rate}"}, "rate": 1e-3, "seed": 0})
    plain = OmegaConf.create({"seed": 0, "rate": 0.001, "optim": {"lr": 0.001}})
    assert config_hash(spelled) == config_hash(plain)
    assert config_hash(config(seed=1)) != config_hash(config())
    assert len(config_hash(config())) == 16


def test_code_version_of_a_checkout_and_of_an_installed_package(tmp_path):
    def git(*arguments):
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True)

    assert module._checkout(tmp_path) == {}
    (tmp_path / "gnn_distill").mkdir()
    (tmp_path / "gnn_distill" / "a.py").write_text("")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    clean = module._checkout(tmp_path)
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "gnn_distill" / "b.py").write_text("")
    assert module._checkout(tmp_path) == clean | {"dirty": True}
    assert module._checkout(tmp_path / "gnn_distill") == {}  # inside a checkout, but not its root
    assert len(code_version()["sources"]) == 16


def test_sources_are_those_that_a_run_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(**names: str) -> OmegaConf:
        return OmegaConf.create({"dataset": {"source": names.get("source", "zinc")}, **_named(names)})

    def _named(names: dict[str, str]) -> dict:
        return {role: {"name": names.get(role, default)} for role, default in (("teacher", "gin"), ("student", "gps"))}

    sources = [code_version(run(**names))["sources"] for names in ({}, {"teacher": "gat"}, {"source": "smiles"})]
    assert len({*sources, code_version()["sources"]}) == 4
    assert code_version(run())["sources"] == sources[0]
    modules = run_code(run(student="none")).modules
    assert {"gnn_distill.data.sources.zinc", "gnn_distill.models.teachers.gin"} <= {*modules}
    assert not [name for name in modules if name.startswith(("gnn_distill.models.students.", "gnn_distill.results"))]


@pytest.mark.parametrize("key", ["path", "unlabelled"])
def test_a_run_is_known_by_what_is_in_the_files_it_names(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table, other = Path("molecules.csv"), Path("moved.csv")
    table.write_text("smiles,y\nC,1\n")

    def hashed(path: Path, checkpoint: str | None = None) -> str:
        return config_hash(config(dataset={key: str(path)}, teacher={"checkpoint": checkpoint}))

    before = hashed(table)
    other.write_bytes(table.read_bytes())
    assert hashed(other) == before
    table.write_text("smiles,y\nC,100\n")
    assert hashed(table) != before
    assert hashed(table) == hashed(table)
    assert hashed(Path("nowhere.csv")) not in (before, hashed(table))
    assert hashed(other, "moved.csv") != before


def test_a_file_in_the_home_folder_is_known_by_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    hashes = set()
    for line in ("C,1", "C,2"):
        (tmp_path / "molecules.csv").write_text(f"smiles,y\n{line}\n")
        hashes.add(config_hash(config(dataset={"path": "~/molecules.csv"})))
    assert len(hashes) == 2
    assert hashes == hashes - {config_hash(config(dataset={"path": "~/nowhere.csv"}))}


@pytest.mark.parametrize(
    "key", ["dataset.source", "teacher.name", "student.name", "teacher.target", "loss.own.mine.target"]
)
def test_a_run_is_known_by_the_code_of_the_users_that_it_names(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    folder = tmp_path / f"mine_{key.replace('.', '_')}"
    folder.mkdir()
    (folder / "net.py").write_text(
        "from .layers import WIDTH\nimport gnn_distill.training.loop\nraise SystemExit('run')\n"
    )
    (folder / "layers.py").write_text("WIDTH = 1\n")
    named = config()
    OmegaConf.update(named, key, f"{folder.name}.net" + (".Net" if key.endswith(".target") else ""))
    before = config_hash(named)
    (folder / "layers.py").write_text("WIDTH = 2\n")
    assert config_hash(named) != before
    (folder / "layers.py").write_text("WIDTH = 1\n")
    assert config_hash(named) == before
    plain = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: plain(path) + b"#" * (path.name == "training.py"))
    assert config_hash(named) == before, "another version of this package"


def test_what_is_done_with_a_finished_run_changes_no_hash():
    assert config_hash(config(probe={"at_end": True, "hops": 5})) == config_hash(config())
