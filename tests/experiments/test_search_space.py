"""What is searched for which method."""

from collections.abc import Iterator

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from gnn_distill.cli.main import CONF_DIR
from gnn_distill.config.schema import register
from gnn_distill.config.schema.objective import BASELINES
from gnn_distill.errors import UserError
from gnn_distill.experiments.search_space import Knob, keys_of, knobs_in, search_space

METHODS = ["loss=micro_macro", "loss=kd", "loss=mugsi", "loss=simkd", "experiment=student_alone", "dataset=cora"]


@pytest.fixture(autouse=True)
def _hydra() -> Iterator[None]:
    before = HydraConfig.instance().cfg
    register()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        yield
    HydraConfig.instance().cfg = before


def compose(*overrides: str) -> DictConfig:
    loader = GlobalHydra.instance().config_loader()
    return loader.load_configuration("train", list(overrides), RunMode.MULTIRUN, from_shell=False)


def knobs(space: dict, *overrides: str) -> list[Knob]:
    return knobs_in(OmegaConf.create(space), "mine.yaml", compose(*overrides), keys_of(overrides))


@pytest.mark.parametrize("method", METHODS)
def test_the_files_of_conf_tune_hold_what_methods_have(method: str) -> None:
    cfg = compose(method)
    HydraConfig.instance().set_config(cfg)
    found = {knob.key: knob for knob in search_space("auto", cfg, keys_of([method]))}
    assert [*found][:3] == ["optim.lr", "student.dropout", "optim.weight_decay"]
    for key, knob in found.items():
        sweep = OverridesParser.create().parse_override(f"{key}={knob.values}").value()
        inside = knob.own in sweep.list if hasattr(sweep, "list") else sweep.start <= knob.own <= sweep.end
        assert inside, key
        assert key in cfg.hydra.runtime.choices or OmegaConf.select(cfg, key) == knob.own
    # Every term that is on has a weight to search, and none that is off.
    weights = {f"loss.baseline.{key}": value for key, value in cfg.loss.baseline.items() if key in BASELINES}
    weights |= {"loss.weights.soft": cfg.loss.weights.soft, "alignment.weights.node": cfg.alignment.weights.node}
    on = {key for key, value in weights.items() if value and cfg.teacher.name != "none"}
    assert {key for key in found if key in weights} == on


def test_without_a_teacher_only_the_shared_part() -> None:
    space = {"shared": {"optim.lr": {"around": 2}}, "distilled": {"loss.weights.soft": {"around": 2}}}
    assert [knob.key for knob in knobs(space)] == ["optim.lr", "loss.weights.soft"]
    assert [knob.key for knob in knobs(space, "experiment=student_alone")] == ["optim.lr"]


def test_around_is_a_factor_of_what_the_method_has() -> None:
    space = {"shared": {"optim.lr": {"around": 4}, "optim.weight_decay": {"around": 4}}}
    assert knobs(space, "trainer=default") == [Knob("optim.lr", "tag(log, interval(0.00025, 0.004))", 1e-3)]


@pytest.mark.parametrize(
    ("values", "overrides", "expected"),
    [
        ("choice(0.3, 0.1)", [], ("choice(0.3, 0.1)", 0.1)),
        ("choice(0.3, 0.5)", [], ("choice(0.3, 0.5, 0.1)", 0.1)),
        ("interval(0.2, 0.5)", [], ("interval(0.2, 0.5)", 0.2)),
        ("interval(0.0, 0.5)", [], ("interval(0.0, 0.5)", 0.1)),
        ("choice(0.3, 0.1)", ["student.dropout=0.7"], None),
    ],
)
def test_what_the_method_has_is_among_the_values(values: str, overrides: list, expected: tuple | None) -> None:
    found = [(knob.values, knob.own) for knob in knobs({"shared": {"student.dropout": values}}, *overrides)]
    assert found == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("choice(0, 0.1, true, a)", CategoricalDistribution([0, 0.1, True, "a"])),
        ("interval(1, 5)", FloatDistribution(1, 5)),
        ("tag(log, interval(0.1, 5))", FloatDistribution(0.1, 5, log=True)),
        ("int(interval(1, 5))", IntDistribution(1, 5)),
        ("tag(log, int(interval(1, 5)))", IntDistribution(1, 5, log=True)),
    ],
)
def test_values_become_what_optuna_draws_from(values: str, expected: BaseDistribution) -> None:
    assert Knob("key", values, None).distribution() == expected


def test_a_group_is_searched_by_its_choices_and_where_says_for_whom() -> None:
    entry = {"values": "choice(cross_fade)", "where": "alignment.weights.node"}
    space = {"distilled": {"schedule": entry}}
    assert knobs(space) == [Knob("schedule", "choice(cross_fade, constant)", "constant")]
    assert knobs(space, "schedule=cross_fade") == []
    assert knobs(space, "loss=kd") == []


@pytest.mark.parametrize(
    ("key", "entry", "told"),
    [
        ("optim.rate", "choice(1)", "mine.yaml: optim.rate: 'train' has no such key or group."),
        ("optim.lr", {"where": "optim.lr"}, "mine.yaml: optim.lr: give it values or around, and optionally where."),
        ("optim.lr", "choice(1", "mine.yaml: optim.lr: cannot read 'choice(1'. Write choice(a, b), "),
        ("optim.lr", "0.1", "mine.yaml: optim.lr: cannot search '0.1'. Write choice(a, b), interval(low, high), "),
        ("optim.lr", {"around": 2, "where": "optim.on"}, "mine.yaml: optim.lr: 'train' has no such key or group."),
    ],
)
def test_a_wrong_entry_is_named(key: str, entry: str | dict, told: str) -> None:
    with pytest.raises(UserError) as error:
        knobs({"shared": {key: entry}})
    assert str(error.value).startswith(told)


def test_every_published_loss_has_a_weight_to_search() -> None:
    searched = OmegaConf.load(CONF_DIR / "tune" / "distilled.yaml").distilled
    assert {f"loss.baseline.{name}" for name in BASELINES} <= searched.keys()
