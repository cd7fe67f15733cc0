"""A student is two files: what it can do stands in its module, and all who need to know read it there."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from small_tasks import choices, encode, make_node_task, make_task, preset

from gnn_distill import load
from gnn_distill.config.capabilities import DECLARATION, Capabilities, capabilities_of, students_who
from gnn_distill.config.module_files import PACKAGE
from gnn_distill.config.schema.data import DatasetConfig
from gnn_distill.config.schema.encoding import EncodingConfig
from gnn_distill.config.schema.run import TrainConfig, TrainerConfig
from gnn_distill.config.schema.student import StudentConfig
from gnn_distill.config.schema.teacher import TeacherConfig
from gnn_distill.data.batching import collate
from gnn_distill.errors import UserError
from gnn_distill.models import build_student, count_parameters
from gnn_distill.pipeline import evaluate
from gnn_distill.pipeline.student import check_student
from gnn_distill.pipeline.teacher_plan import plan_teacher
from gnn_distill.predict import save_student
from gnn_distill.training.recipe import shapes_repeat

STUDENTS = sorted(path.stem for path in (PACKAGE / "models" / "students").glob("[!_]*.py"))
CLASS = """
from gnn_distill.extending import Capabilities, FeatureEncoder, Output
from torch import nn

class Student(nn.Module):
    reads_edges = False

    def __init__(self, config, spec):
        super().__init__()
        self.state_channels, self.graph_channels = (config.hidden_channels,), config.hidden_channels
        self.features = FeatureEncoder(spec.node_features, config.hidden_channels)
        self.output = Output(config.hidden_channels, spec, config.readout, 0.0)

    def forward(self, batch, attention_layers=frozenset()):
        return self.output([self.features(batch.x)], batch)

def build(config, encoding, spec):
    return Student(config, spec)
"""
NOTHING = "Capabilities(dense_pairs=False, attends_pairs=False, reads_bias=False, has_token=False, needs_local=True)"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes a student's two files into the folder where the program runs; gives the module's name."""

    def write(declaration: str, code: str = CLASS) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        name = f"students_of_mine.s{len([*tmp_path.glob('students_of_mine/*.py')])}_{tmp_path.name}"
        (tmp_path / "students_of_mine").mkdir(exist_ok=True)
        (tmp_path / f"{name.replace('.', '/')}.py").write_text(f"{code}\n{declaration}\n")
        (tmp_path / "conf" / "student").mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / "student" / "mine.yaml").write_text(f"name: {name}\nreadout: mean\n")
        return name

    return write


ASKED = {
    "encoding=walk encoding.spd=true": "encoding.spd=true: student={} does not read hop distances, which take memory "
    "for all pairs of nodes. Set encoding.spd=false, or choose student=graphormer or student=transformer.",
    "encoding=walk encoding.edge_hops=2": "encoding.edge_hops=2: student={} does not read edges along paths",
    "encoding=walk student.readout=token": "student.readout=token: student={} has no token.",
    "encoding=walk student.local=none": "student.local=none: student={} needs message passing.",
    "encoding=walk loss.micro.attention=1": "loss.micro.attention=1.0: student={} has no attention between pairs of "
    "nodes. Set loss.micro.attention=0, or choose student=gps, student=graphormer or "
    "student=transformer.",
}


@pytest.mark.parametrize("line", ASKED)
def test_what_a_student_declares_it_cannot_do_is_refused_before_it_is_imported(
    line: str, gnn_distill: Callable, own: Callable
) -> None:
    name = own(f"CAPABILITIES = {NOTHING}", code="raise RuntimeError('it was imported')")
    status, _, err = gnn_distill("train", "--config-dir", "conf", "student=mine", *line.split(" "), "tracker=none")
    assert (status, err[: len("gnn-distill train: ")]) == (1, "gnn-distill train: ")
    assert ASKED[line].format(name) in err


def test_a_student_that_needs_distances_is_refused_without(gnn_distill: Callable, own: Callable) -> None:
    name = own("CAPABILITIES = Capabilities(needs_distances=True)")
    _, _, err = gnn_distill("train", "--config-dir", "conf", "student=mine", "encoding=walk", "tracker=none")
    assert f"encoding.spd=False: student={name} needs hop distances." in err
    assert "or encoding=all, or student=transformer." in err


def test_a_student_that_declares_nothing_is_refused_nothing(config_of: Callable, own: Callable) -> None:
    name = own("# CAPABILITIES are not declared here")
    assert capabilities_of(name) == Capabilities()
    for line in ASKED:
        config_of("student=mine", *line.split(" "))


@pytest.fixture
def config_of(tmp_path: Path) -> Callable:
    """A whole config of a command line, validated, with the YAML of the folder."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from gnn_distill.cli.main import CONF_DIR
    from gnn_distill.config import schema
    from gnn_distill.config.check import validate

    def call(*words: str) -> TrainConfig:
        schema.register()
        with initialize_config_dir(str(CONF_DIR), version_base=None):
            path = f"hydra.searchpath=[file://{tmp_path / 'conf'}]"
            return OmegaConf.to_object(validate(compose("train", [path, *words])))

    return call


@pytest.mark.parametrize(
    ("declaration", "told"),
    [
        ("CAPABILITIES = Capabilities(dens_pairs=False)", "dens_pairs: unknown capability. Choices: dense_"),
        ("CAPABILITIES = Capabilities(dens_pairs=False)", "Did you mean 'dense_pairs'?"),
        ("CAPABILITIES = Capabilities(dense_pairs=0)", "dense_pairs=0 must be True or False."),
        ("CAPABILITIES = Capabilities(**{})", "** cannot be read"),
        ("CAPABILITIES = Capabilities(False)", "Assign it once, at the top level: CAPABILITIES = Capabilities("),
        ("CAPABILITIES = Capabilities()\n" * 2, "Assign it once"),
        ("from elsewhere import CAPABILITIES", "Assign it once"),
        ("if True:\n    CAPABILITIES = Capabilities()", "Assign it once"),
    ],
)
def test_a_declaration_that_cannot_be_read_is_refused(declaration: str, told: str, own: Callable) -> None:
    name = own(declaration)
    with pytest.raises(UserError) as raised:
        capabilities_of(name)
    assert str(raised.value).startswith(f"student.name={name}: CAPABILITIES")
    assert told in str(raised.value)


def test_declarations_are_read_as_they_are_run(own: Callable) -> None:
    for declaration in (
        "CAPABILITIES: Capabilities = Capabilities(mini_batches=True)",
        "from gnn_distill import extending\nCAPABILITIES = extending.Capabilities(mini_batches=True)",
    ):
        assert capabilities_of(own(declaration)) == Capabilities(mini_batches=True)


def settings(name: str, **trainer: int) -> TrainConfig:
    return TrainConfig(
        dataset=DatasetConfig(),
        teacher=TeacherConfig(name="gin", control="self"),
        student=StudentConfig(name=name, hidden_channels=8, readout="mean"),
        encoding=EncodingConfig(),
        trainer=TrainerConfig(**trainer),
    )


@pytest.mark.parametrize("flag", [False, True])
def test_batches_budget_twin_and_predictor_read_the_declaration(flag: bool, own: Callable, tmp_path: Path) -> None:
    """A graph of 40 nodes has 1600 pairs."""
    name = own(f"CAPABILITIES = Capabilities(dense_pairs={flag}, few_shapes={flag}, mini_batches={flag})")
    config, task = settings(name, max_pairs=1000), make_node_task()
    can = plan_teacher(config, make_task()).can
    assert can == capabilities_of(name) == Capabilities(dense_pairs=flag, few_shapes=flag, mini_batches=flag)
    assert shapes_repeat(make_task(), can) == flag
    save_student(tmp_path, build_student(config.student, config.encoding, task.spec), task.spec, config)
    student = load(tmp_path, own_module=True)
    if flag:
        with pytest.raises(UserError, match=r"max_pairs=1000 .*declare dense_pairs=False in its module"):
            check_student(task, config)
        with pytest.raises(UserError, match=r"more pairs of nodes than max_pairs=1000"):
            student.predict(task.graphs)
    else:
        check_student(task, config)
        assert student.predict(task.graphs).isfinite().all()


def test_a_students_mini_batches_hold_in_evaluation_and_its_twins(
    gnn_distill: Callable, own: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    own("CAPABILITIES = Capabilities(mini_batches=True)")
    seen: list[bool] = []
    scores = {split: {"accuracy": 0.5} for split in ("train", "val", "test")}
    monkeypatch.setattr(evaluate, "evaluate_splits", lambda *given: (seen.append(given[-2]), scores)[1])
    words = (
        "dataset=typed_edges",
        "dataset.num_train=12",
        "dataset.num_val=10",
        "dataset.num_test=10",
        "trainer.max_epochs=1",
        "tracker=none",
    )
    gnn_distill("train", "--config-dir", "conf", "student=mine", "encoding=none", "teacher.control=self", *words)
    assert seen == [True, True, True]  # the teacher's validation part is read before its student is trained
    seen.clear()
    gnn_distill("train", "student=transformer", "teacher=gin", "pretrain.max_epochs=1", *words)
    assert seen == [False, False, False]


@pytest.mark.parametrize("name", STUDENTS)
def test_the_packages_students_declare_what_they_do(name: str) -> None:
    """Each declares something, and returns attention, has a token and reads biases where it says so."""
    assert f"{DECLARATION} = " in (PACKAGE / "models" / "students" / f"{name}.py").read_text()
    can, task, encoding = capabilities_of(name), make_task(), EncodingConfig(spd=True, degree=True)
    config = preset("student", name, hidden_channels=8, num_layers=2, num_heads=2)
    batch = collate(task.graphs, encode(task.graphs, encoding, config), torch.arange(len(task.graphs)))
    plain, model = (
        build_student(replace(config, readout=kind), encoding, task.spec).eval() for kind in ("mean", "token")
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        found = model(batch, frozenset({1}))
        other = model(replace(batch, spd=batch.spd.flip(0)))
    assert bool(found.attention) == can.attends_pairs
    assert (count_parameters(plain) != count_parameters(model)) == can.has_token
    assert (not torch.equal(found.logits, other.logits)) == can.reads_bias
    assert can.dense_pairs == can.attends_pairs
    assert bool(found.nodes) == bool(model.state_channels) == can.node_states
    assert (found.patches is not None) == can.reads_patches
    assert not can.needs_distances or can.reads_bias


def test_every_preset_is_found_by_what_it_can_do() -> None:
    assert {*STUDENTS, "none"} == {*choices("student")}
    for name in STUDENTS:
        assert f"student={name}" in students_who(**asdict(capabilities_of(name)))
    assert students_who(dense_pairs=False, mini_batches=True) == "student=nagphormer"
    assert students_who(needs_distances=True, reads_bias=False) == ""
