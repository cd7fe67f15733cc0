"""Every preset composes and is valid; every experiment runs."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from small_tasks import choices, preset

from gnn_distill.cli import datasets
from gnn_distill.cli.main import CONF_DIR
from gnn_distill.config import schema
from gnn_distill.config.capabilities import capabilities_of
from gnn_distill.config.check import validate
from gnn_distill.data.task import GraphTask, Splits
from gnn_distill.errors import UserError
from gnn_distill.losses.schedule import ramp_factor

pytestmark = pytest.mark.usefixtures("no_figures")

EXPERIMENTS = choices("experiment")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., DictConfig]:
    """The valid config that overrides of `train` give."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GNN_DISTILL_MIRROR", raising=False)
    schema.register()

    def build(*overrides: str) -> DictConfig:
        return validate(compose("train", overrides=list(overrides)))

    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        yield build


def built_with_distances(encoding: str) -> bool:
    return preset("encoding", encoding).spd


ELSEWHERE = [("teacher", "file"), ("student", "graphvit"), ("loss", "patches"), ("alignment", "patch")]
"""Choices that go with few others: which, tests of their own know."""


def test_combinations_of_presets_are_valid(config: Callable) -> None:
    """Every choice of every group with several of the others, which turn at their own pace."""
    groups = ("loss", "teacher", "student", "alignment", "encoding")
    targets = {"custom": ["teacher.target=my_package.MyGNN"]}
    files = {group: [name for name in choices(group) if (group, name) not in ELSEWHERE] for group in groups}
    for number in range(2 * len(files["loss"])):
        turned = (
            (pace * number + number // len(names)) % len(names) for pace, names in enumerate(files.values(), start=1)
        )
        chosen = {group: names[turn] for (group, names), turn in zip(files.items(), turned, strict=True)}
        words = [f"{group}={name}" for group, name in chosen.items()] + targets.get(chosen["teacher"], [])
        wrong, distances = None, built_with_distances(chosen["encoding"])
        reuses = chosen["alignment"] == "reuse_head"
        blind = not capabilities_of(chosen["student"]).attends_pairs
        if capabilities_of(chosen["student"]).needs_distances and not distances:
            wrong = "needs hop distances"
        elif distances and not capabilities_of(chosen["student"]).reads_bias:
            wrong = "does not read hop distances"
        elif chosen["student"] == chosen["teacher"] == "none":
            wrong = "there is nothing to train"
            words.append("floors=none")
        elif chosen["loss"] == "graph_states" and "none" not in (chosen["teacher"], chosen["student"]) and blind:
            wrong = "has no attention between pairs of nodes"
        elif chosen["loss"] == "simkd" and chosen["teacher"] == "none":
            wrong = "there is nothing but labels to learn from"
        elif chosen["loss"] == "simkd" and chosen["student"] != "none" and not reuses:
            wrong = "nothing trains the student's head"
        elif reuses and chosen["teacher"] == "custom" and chosen["student"] != "none":
            wrong = "has no head of this package's"
        if wrong:
            with pytest.raises(UserError, match=wrong):
                config(*words)
            continue
        built = config(*words)
        assert [built[group].name for group in groups[:4]] == [chosen[group] for group in groups[:4]]


PAIRS = ("sr25", "graph8c", "brec")
"""Sets without labels."""
OF_FILES = ("smiles", "node_folder")
"""Sets that are a file of the user's."""
IN_PARTS = ("teacher=sage", "student=nagphormer")
"""Models that read one large graph in parts."""


@pytest.mark.parametrize("dataset", PAIRS)
def test_sets_without_labels_are_refused_with_the_command_that_reads_them(config: Callable, dataset: str) -> None:
    with pytest.raises(UserError, match=f"no labels to train for. Use gnn-distill separate dataset={dataset}"):
        config(f"dataset={dataset}")


@pytest.mark.parametrize("dataset", [name for name in choices("dataset") if name not in OF_FILES + PAIRS])
def test_every_data_set_is_valid(config: Callable, dataset: str) -> None:
    named = "name" in OmegaConf.load(CONF_DIR / "dataset" / f"{dataset}.yaml") or dataset == "typed_edges"
    name = [] if named else ["dataset.name=some"]
    built = config(f"dataset={dataset}", *name, *(IN_PARTS if dataset.startswith("ogbn_") else ()))
    assert built.trainer.max_epochs > 1


@pytest.mark.parametrize("group", ["optim", "trainer", "tracker", "debug", "recipe", "schedule"])
def test_every_other_preset_is_valid(config: Callable, group: str) -> None:
    for name in choices(group):
        if group == "tracker" and name != "none" and find_spec(name) is None:
            continue  # its extra is not installed, which is refused
        config(f"{group}={name}", *(IN_PARTS if name == "sampled" else ()))


@pytest.mark.parametrize(
    ("name", "first", "last"),  # (labels, structure) at the start and at the end
    [("constant", (1, 1), (1, 1)), ("structure_first", (0, 1), (1, 0)), ("cross_fade", (0, 1), (1, 0))],
)
def test_schedules_cross_over(config: Callable, name: str, first: tuple[int, int], last: tuple[int, int]) -> None:
    schedule = OmegaConf.to_object(config(f"schedule={name}").loss.schedule)
    for progress, (labels, structure) in ((0.0, first), (1.0, last)):
        for group in (key for key in vars(schedule) if key != "form"):
            factor = ramp_factor(getattr(schedule, group), schedule.form, progress)
            assert factor == pytest.approx(labels if group in ("task", "soft") else structure), group


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_is_valid_and_named(config: Callable, experiment: str) -> None:
    assert config(f"experiment={experiment}").experiment == experiment


FIRST = (CONF_DIR / "experiment" / "first_own.yaml").read_text()


@pytest.mark.parametrize(
    ("source", "keys"), [("smiles", ("path", "smiles_column", "target_columns")), ("tudataset", ("name",))]
)
def test_the_first_experiment_is_switched_to_own_data_as_it_says(
    config: Callable, source: str, keys: tuple[str, ...], tmp_path: Path
) -> None:
    text = FIRST.replace("/dataset: typed_edges", f"/dataset: {source}").replace("experiment: first", "experiment: my")
    for key in keys:
        assert f"  # {key}: " in text
        text = text.replace(f"  # {key}: ", f"  {key}: ")
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    (tmp_path / "my.csv").write_text("smiles,logS\nCCO,0.1\n")
    built = config("experiment=mine", f"hydra.searchpath=[file://{tmp_path}]")
    assert (built.dataset.source, built.experiment) == (source, "my_own")


def test_the_first_experiment_shows_the_values_that_hold(config: Callable) -> None:
    built = config("experiment=first_own")
    shown = "\n".join(re.findall(r"^# (\w+:|  +\w+: *.*)$", FIRST, flags=re.MULTILINE))
    values = OmegaConf.create(shown)
    assert values.keys() == {"loss", "alignment", "optim"}
    assert OmegaConf.merge(built, values) == built


def test_choices_for_the_first_experiment_bring_what_suits_them(config: Callable) -> None:
    assert config("experiment=first_own", "student=gps").encoding.rwse
    assert config("experiment=first_own", "loss=kd").alignment.name == "none"
    assert config("experiment=first_own", "teacher=none").teacher.name == "none"


def few(task: GraphTask, count: int = 16) -> GraphTask:
    """`count` graphs of each part."""
    parts = [ids[:count] for ids in (task.splits.train, task.splits.val, task.splits.test)]
    splits = Splits(*torch.arange(sum(map(len, parts))).split([len(ids) for ids in parts]))
    return replace(task, graphs=task.graphs.select(torch.cat(parts)), splits=splits)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and store that the experiments share."""
    return tmp_path_factory.mktemp("experiments")


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_runs(
    experiment: str,
    gnn_distill: Callable,
    mirror: Path,
    folders: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from gnn_distill.pipeline import run as train

    load_task = train.load_task

    def load_few(dataset: object, paths: object) -> GraphTask:
        if datasets.files(OmegaConf.structured(dataset), paths) == "to download":
            pytest.skip(f"{dataset.name} is not in the mirror")
        return few(load_task(dataset, paths))

    monkeypatch.setattr(train, "load_task", load_few)
    status, out, err = gnn_distill(
        *("train", f"experiment={experiment}", "debug=fast", "tracker=none", "trainer.threads=1"),
        *(f"paths.mirror={mirror}", f"paths.data={folders / 'data'}", f"paths.store={folders / 'store'}"),
        "hydra.run.dir=run",
    )
    assert (status, err) == (0, ""), err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["epochs"] == 1
    assert summary["student"]["test"].keys() == summary["student"]["val"].keys()
    assert "Files:" in out
