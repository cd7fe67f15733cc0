"""Trackers that cannot be used are refused before anything runs."""

import importlib.util
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gnn_distill.config import rules_tracker
from gnn_distill.config.plugins import names_of_modules
from gnn_distill.config.rules_tracker import check_tracker
from gnn_distill.config.schema.run import TrackerConfig
from gnn_distill.errors import UserError

ROOT = Path(__file__).parents[2]


def refused(**tracker: object) -> str:
    with pytest.raises(UserError) as caught:
        check_tracker(OmegaConf.structured(TrackerConfig(**tracker)))
    return str(caught.value)


def test_a_package_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_tracker, "find_spec", lambda name: None)
    for name in ("tensorboard", "mlflow"):
        said = refused(name=name)
        assert said.startswith(f"tracker={name}: its package is not installed. pip install 'gnn-distill[{name}]'")
    check_tracker(OmegaConf.structured(TrackerConfig(name="none")))


def test_every_tracker_has_one_name_for_file_preset_and_extra() -> None:
    names = names_of_modules("tracker.name")
    assert {path.stem for path in (ROOT / "conf" / "tracker").glob("*.yaml")} == {*names, "none"}
    for name in names:
        assert f"\nname: {name}\n" in (ROOT / "conf" / "tracker" / f"{name}.yaml").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    assert all(name == "wandb" or f"\n{name} = [" in project for name in names)


def test_unknown_ones_are_refused_with_a_suggestion() -> None:
    assert refused(name="tensorbord").endswith("Did you mean 'tensorboard'?")
    assert "must be the import path of a module" in refused(name="mine.2")
    assert refused(name="none", kwargs={"a": 1}) == "tracker.kwargs={'a': 1}: tracker=none does not read it."


def test_passwords_stay_out_of_settings() -> None:
    said = refused(uri="https://me:secret@example.org")
    assert "secret" not in said
    assert "MLFLOW_TRACKING_PASSWORD" in said
    check_tracker(OmegaConf.structured(TrackerConfig(uri="https://example.org:5000")))


def test_installed_packages_are_found_without_importing_them() -> None:
    assert importlib.util.find_spec("wandb") is not None
    check_tracker(OmegaConf.structured(TrackerConfig(name="wandb")))
