import json
import subprocess
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from gnn_distill import environment as module
from gnn_distill.environment import code_version, config_hash, environment


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


def test_code_that_has_no_say_in_a_run_is_left_out_of_sources():
    package = Path(module.__file__).parent
    assert all((package / name).exists() for name in module.BEYOND)
    # Whatever makes numbers counts.
    counted = (
        "training.py",
        "losses/",
        "models/",
        "data/",
        "stages/",
        "metrics.py",
        "commands/train.py",
        "schema/run.py",
    )
    assert all((package / name).exists() and not name.startswith(module.BEYOND) for name in counted)
