"""Configs of cells that share their work are those that Hydra composes one by one; known ones are kept."""

from collections.abc import Callable, Iterator
from pathlib import Path

import hydra
import pytest
from omegaconf import DictConfig, OmegaConf, ValueNode

from gnn_distill.cli.main import CONF_DIR
from gnn_distill.config import schema
from gnn_distill.config.schema.table import ColumnConfig, RowConfig, TableConfig
from gnn_distill.errors import UserError
from gnn_distill.experiments import cell_settings, cells
from gnn_distill.experiments.cell_settings import CellSettings
from gnn_distill.experiments.composing import Composer
from gnn_distill.storage.provenance import config_hash

GIVEN = ["tracker.group=main", *cells.given_to_runs(["trainer.threads=1"])]
TABLES = sorted(path.stem for path in (CONF_DIR / "table").glob("*.yaml"))


@pytest.fixture
def search_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A running Hydra with the configs of this package."""
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    schema.register()
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        yield


def overrides_of(name: str) -> Iterator[list[str]]:
    """The overrides of every cell of a table."""
    table = cells.sized(OmegaConf.to_object(hydra.compose("table", [f"table={name}"])).table)
    for column in table.columns:
        for row, method in table.rows.items():
            if method.is_in(column):
                yield cells.cell_overrides(table, row, column, GIVEN)


def check_equal(one: DictConfig, other: DictConfig, key: str = "") -> None:
    """Same types, keys in the same order, same values before and after references are resolved."""
    assert OmegaConf.get_type(one) is OmegaConf.get_type(other), key
    assert [*one] == [*other], key
    for name in one:
        mine, its = one._get_node(name), other._get_node(name)
        assert type(mine) is type(its), f"{key}.{name}"
        if isinstance(mine, DictConfig) and not mine._is_none():
            check_equal(mine, its, f"{key}.{name}")
        elif isinstance(mine, ValueNode):  # nodes of numbers that are null are not equal
            assert mine._value() == its._value(), f"{key}.{name}"
        else:
            assert mine == its, f"{key}.{name}"
    assert OmegaConf.is_struct(one) == OmegaConf.is_struct(other), key


def check_cells(composer: Composer, every: list[list[str]]) -> None:
    for overrides in every:
        ours, plain = composer.compose(overrides), hydra.compose("train", overrides)
        check_equal(ours, plain)
        assert config_hash(ours) == config_hash(plain)


@pytest.mark.usefixtures("search_path")
def test_cells_are_what_hydra_composes() -> None:
    own = "+loss.own={mine: {target: my.loss, weight: 2}}"
    others = [
        ["dataset=cora", "loss.weights.micro=0.5", own, "teacher.kwargs={a: 1}"],
        ["loss.weights.micro=0.5", "dataset=cora", own, "teacher.kwargs={a: 1, b: [2]}"],
        ["trainer=ring_transfer", "dataset=ring_transfer", "dataset.distance=9", "optim@pretrain.optim=adamw"],
        ["dataset=nci1", "hydra.job.name=other"],
    ]
    few = [overrides for name in ("main", "structure") for overrides in list(overrides_of(name))[::24]]
    composer = Composer()
    check_cells(composer, [*few, *others])
    check_cells(composer, others)  # from what was kept


@pytest.mark.slow
@pytest.mark.usefixtures("search_path")
@pytest.mark.parametrize("name", TABLES)
def test_every_cell_of_every_table_is_what_hydra_composes(name: str) -> None:
    check_cells(Composer(), list(overrides_of(name)))


@pytest.mark.usefixtures("search_path")
@pytest.mark.parametrize("wrong", ["los=kd", "loss=kdd", "optim.lr=high", "loss.wieghts.micro=1", "seed=1,2"])
def test_mistakes_are_told_as_hydra_tells_them(wrong: str) -> None:
    with pytest.raises(UserError, match=r"^row a: ") as told:
        Composer().validated(["dataset=cora", wrong], "row a")
    assert wrong.split("=")[0] in str(told.value)


def table(**columns: list[str]) -> TableConfig:
    pairs = {"seed": [0, 1], "dataset.fold": [2]}
    rows = {"kd": RowConfig(overrides=["loss=kd"]), "micro": RowConfig(overrides=["loss.weights.micro=0.25"])}
    return TableConfig(
        name="small",
        rows=rows,
        columns={name: ColumnConfig(overrides=words, pairs=pairs) for name, words in columns.items()},
    )


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where Hydra's work was done."""
    places: list[str] = []
    validated: Callable = Composer.validated

    def noted(composer: Composer, overrides: list[str], where: str) -> DictConfig:
        places.append(where)
        return validated(composer, overrides, where)

    monkeypatch.setattr(Composer, "validated", noted)
    return places


@pytest.mark.usefixtures("search_path")
def test_a_table_planned_again_is_the_same_and_composes_one_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, composed: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = table(nci1=["dataset=nci1"], ring=["dataset=ring_transfer", "trainer=ring_transfer"])
    first = cells.plan(wanted, GIVEN, tmp_path)
    assert len(composed) == 4
    for run in first:  # pairs are set in what was composed once: the run itself composes with them
        plain = hydra.compose("train", list(run.overrides))
        assert run.config_hash == config_hash(plain)
        assert run.data == config_hash(OmegaConf.create({"dataset": plain.dataset}))
    composed.clear()
    assert cells.plan(wanted, GIVEN, tmp_path) == first
    assert composed == ["row kd, column nci1", "row kd, column ring", "row micro, column ring"]
    composed.clear()
    monkeypatch.setattr(cell_settings, "state", lambda: "other files")
    assert cells.plan(wanted, GIVEN, tmp_path) == first
    assert len(composed) == 4


@pytest.mark.usefixtures("search_path")
def test_known_settings_are_not_taken_where_a_file_is_gone_or_they_are_damaged(
    tmp_path: Path, composed: list[str]
) -> None:
    weights = tmp_path / "weights.pt"
    weights.touch()
    cell = ["dataset=nci1", "teacher=custom", "teacher.target=my.GNN", f"teacher.checkpoint={weights}"]

    def ask() -> dict:
        settings = CellSettings(tmp_path)
        settings.of(["dataset=nci1"], {"seed": 3}, "first")
        found = settings.of(cell, {"seed": 3}, "second")
        settings.write()
        return found

    before = ask()
    assert (before["seed"], composed) == (3, ["first", "second"])
    assert ask() == before
    assert composed == ["first", "second", "first"]
    (tmp_path / "plan.json").write_text("{}")
    assert ask() == before
    assert composed[-2:] == ["first", "second"]
    weights.unlink()
    with pytest.raises(UserError, match=r"teacher\.checkpoint=.*does not exist"):
        ask()


@pytest.mark.usefixtures("search_path")
def test_the_state_is_that_of_yaml_files_on_the_search_path(tmp_path: Path) -> None:
    before = cell_settings.state()
    assert cell_settings.state() == before
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().config_loader().get_search_path().append("mine", str(tmp_path))
    added = cell_settings.state()
    (tmp_path / "some.yaml").write_text("a: 1")
    assert len({before, added, cell_settings.state()}) == 3
