import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gnn_distill.cli import main as cli
from gnn_distill.cli.hydra_callbacks import claim
from gnn_distill.config.catalogue import choices
from gnn_distill.config.hydra_errors import nearest
from gnn_distill.config.schema import SCHEMAS
from gnn_distill.errors import UserError, suggest

pytestmark = pytest.mark.usefixtures("no_figures")

SMALL = (
    "dataset=typed_edges",
    *("dataset.num_train=24", "dataset.num_val=12", "dataset.num_test=12"),
    *("trainer.max_epochs=1", "pretrain.max_epochs=1", "trainer.threads=1", "tracker=none"),
)

# A wrong command line of `train`, and the whole message it must give.
WRONG = {
    "optim.learning_rate=1e-3": "optim.learning_rate=1e-3: unknown key. Did you mean 'optim.lr'? "
    "Keys of optim: lr, weight_decay, schedule, warmup, clip.",
    "loss.weights.mirco=0.5": "loss.weights.mirco=0.5: unknown key. Did you mean 'loss.weights.micro'? "
    "Keys of loss.weights: task, soft, micro, macro.",
    "teacher.num_layers=two": "teacher.num_layers=two: must be a whole number.",
    "teacher.num_layers=null": "teacher.num_layers=null: may not be null.",
    "teacher.residual=maybe": "teacher.residual=maybe: must be true or false.",
    "dataset.name=[a,b]": "dataset.name=['a', 'b']: must be a string; quote it.",
    "teacher=gim": "teacher=gim: unknown choice. Choices: custom, file, gat, gatedgcn, gcn, gin, mlp, none, "
    "pna, sage. Did you mean 'gin'?",
    "teacher.name=gim": "teacher.name=gim: unknown choice. Choices: custom, file, gat, gatedgcn, gcn, gin, mlp, "
    "pna, sage, none. Did you mean 'gin'?",
    "teacher=null": "teacher=null: must be the name of one of the group's choices, which --help lists.",
    "~teacher.num_layers": "~teacher.num_layers: keys cannot be removed from the config. Give the key another value.",
    "student.readout=tokn": "student.readout=tokn: unknown choice. Choices: token, mean, sum. Did you mean 'token'?",
    "dataset.metric=acuracy": "dataset.metric=acuracy: unknown choice. Choices: accuracy, roc_auc, "
    "average_precision, macro_f1, balanced_accuracy, mae, rmse, log10_mse, null. Did you mean 'accuracy'?",
    "teacher.num_layers=-1": "teacher.num_layers=-1: must be at least 1.",
    "trainer.threads=0": "trainer.threads=0: must be at least 1.",
    "dataset.fold=-1": "dataset.fold=-1: must be at least 0.",
    "dataset.fold=10": "dataset.fold=10: folds are numbered 0 to 9 (dataset.folds=10).",
    "dataset.train_fraction=0": "dataset.train_fraction=0.0: must be above 0 and at most 1.",
    "loss.weights.micro=nan": "loss.weights.micro=nan: must be a finite number, at least 0.",
    "optim.lr=inf": "optim.lr=inf: must be a finite number, above 0.",
    "student.num_heads=5": "student.num_heads=5: must divide student.hidden_channels=64. "
    "Choices for that width: 1, 2, 4, 8, 16, 32, 64.",
    "teacher=gat teacher.heads=3": "teacher.heads=3: must divide teacher.hidden_channels=64. "
    "Choices for that width: 1, 2, 4, 8, 16, 32, 64.",
    "teacher=custom": "teacher.target=null: teacher=custom needs a class. Set teacher.target=my_package.MyGNN.",
    "teacher.target=mine.GNN": "teacher.target=mine.GNN: teacher=gin does not read it. Set teacher=custom.",
    "teacher.checkpoint=no.pt": "teacher.checkpoint=no.pt: this file does not exist.",
    "dataset=typed_edges dataset.min_nodes=30": "dataset.min_nodes=30: must be at most dataset.max_nodes=25.",
    "task.pos_weight=auot": "task.pos_weight=auot: must be none, auto or a number above 0. Did you mean 'auto'?",
    "loss.schedule.task.enter=[0.5,0.2]": "loss.schedule.task.enter=[0.5, 0.2], loss.schedule.task.leave=[1.0, 1.0]: "
    "must be shares of the training between 0 and 1, in ascending order: start and end of the rise, then of the fall.",
    "loss.schedule.task.enter=[0.5]": "loss.schedule.task.enter=[0.5], loss.schedule.task.leave=[1.0, 1.0]: "
    "must be two numbers each: [start, end].",
    "loss=task loss.weights.task=0 alignment=none": "all of loss.weights and alignment.weights are 0: "
    "nothing would be learned. Set one of them above 0.",
    "teacher=none loss.weights.task=0": "loss.weights.task=0: with teacher=none there is nothing but labels to "
    "learn from. Set it above 0.",
    "signals.layers=last": "signals.layers=last: alignment.layers=true reads all layers. Choose auto or all.",
    "teacher=none teacher.control=self": "teacher.control=self: needs a teacher. Choose one, as in teacher=gin.",
    "student=none teacher.control=self": "teacher.control=self: the teacher is the student's twin, so a "
    "student is needed. Choose one, as in student=graphormer.",
    "teacher.control=self teacher.checkpoint=file": "teacher.checkpoint=file: teacher.control=self trains its own "
    "teacher. Set teacher.checkpoint=null.",
    "loss.balance=gradient loss.weights.task=0": "loss.balance=gradient: needs the gradient of the task. "
    "Set loss.weights.task above 0.",
    "loss.balance=gradient trainer.precision=16-mixed": "loss.balance=gradient: gradients overflow at "
    "trainer.precision=16-mixed. Choose 32-true or bf16-mixed.",
    "debug.gradients=true trainer.precision=16-mixed": "debug.gradients=true: gradients overflow at "
    "trainer.precision=16-mixed. Choose 32-true or bf16-mixed.",
    "seed=4294967296": "seed=4294967296: must be at least 0 and at most 4294967295.",
    "dataset=tudataset": "dataset.name has no value. Give it one: dataset.name=…",
    "dataset.name=": "dataset.name=: is empty. Give it a value.",
    "dataset.name=a/b": "dataset.name=a/b: must be a name, not a path: it becomes part of the run directory's name.",
    "dataset=smiles dataset.path=no.csv": "dataset.path=no.csv: this file does not exist. "
    "Give the CSV file with your molecules.",
    "seed=${sede}": "seed: Interpolation key 'sede' not found.",
    "seed=[1,": "cannot read 'seed=[1,'. Write key=value; put quotes around a value with special characters: "
    "'key=\"a, b\"'.",
    "seed": "cannot read 'seed'. Write key=value; put quotes around a value with special characters: 'key=\"a, b\"'.",
    "seed=0,1": "seed=0,1: several values. Add -m to run one job for each, or write a list: 'seed=[0,1]'.",
    "paths.store=file/store": "paths.store=file/store: this folder cannot be written to: {here}/file is a file. "
    "Choose another: paths.store=…",
    "paths.mirror=nowhere": "paths.mirror=nowhere: this folder does not exist. Correct it "
    "(or the variable GNN_DISTILL_MIRROR), or use no mirror: paths.mirror=null.",
    "student=gps encoding=all": "encoding.spd=true: student=gps does not read hop distances, which take memory for all "
    "pairs of nodes. Set encoding.spd=false, or choose student=graphormer or student=transformer.",
    "student=sgformer encoding.edge_hops=3": "encoding.edge_hops=3: student=sgformer does not read edges along paths, "
    "which take memory for all pairs of nodes. Set encoding.edge_hops=0, or choose student=graphormer or "
    "student=transformer.",
    "student=nagphormer student.readout=token": "student.readout=token: student=nagphormer has no token. "
    "Choose mean or sum.",
    "student=sgformer student.local=none": "student.local=none: student=sgformer needs message passing. "
    "Choose gcn, gat, gine, gin or sage, or another student.",
    "hydra.run.dir=file/run": "cannot write file/run: Not a directory. Choose another folder: hydra.run.dir=…",
}
# Lists of choices grow with the project: of these messages the beginning is enough.
WRONG_BEGINNING = {
    "teacher.num_layer=3": "teacher.num_layer=3: unknown key. Did you mean 'teacher.num_layers'? "
    "Keys of teacher: name, hidden_channels, num_layers, ",
    "lr=1e-3": "lr=1e-3: unknown key. Did you mean 'optim.lr' or 'pretrain.optim.lr'? Keys: dataset, ",
    "+quux=1": "quux: unknown key. Keys here: dataset, ",
    "experiment=no_such_experiment": "experiment=no_such_experiment: unknown choice. Choices: ",
    "alignmnt=none": "alignmnt=none: unknown key. Did you mean 'alignment'? Keys: dataset, ",
    "-m teacher=gin,gim": "teacher=gim: unknown choice. Choices: ",
}


def shell(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    command = [sys.executable, "-m", "gnn_distill", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_line_gives_one_message_and_leaves_nothing(gnn_distill: Callable, line: str, tmp_path: Path):
    status, out, err = gnn_distill("train", *line.split(" "))
    message = WRONG[line].replace("{here}", str(tmp_path))
    assert (status, out, err) == (1, "", f"gnn-distill train: {message}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("line", WRONG_BEGINNING)
def test_a_wrong_command_line_names_what_may_have_been_meant(gnn_distill: Callable, line: str):
    status, _, err = gnn_distill("train", *line.split(" "))
    *before, message = err.splitlines()
    assert status == 1
    assert message.startswith(f"gnn-distill train: {WRONG_BEGINNING[line]}")
    assert not before


def test_an_accelerator_that_is_not_there(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    status, _, err = gnn_distill("train", "trainer.accelerator=cuda")
    message = "trainer.accelerator=cuda: not available on this machine. Choices here: auto, cpu."
    assert (status, err) == (1, f"gnn-distill train: {message}\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("trian", "unknown command 'trian'. Did you mean 'train'?"),
        ("--foo", "unknown command '--foo'."),
        ("train --cfg jop", "invalid choice: 'jop'"),
        ("train --resolve", "The --resolve flag can only be used"),
        ("train -m --cfg job", "Only one of --run, --multirun, --cfg"),
    ],
)
def test_unknown_commands_and_flags_exit_with_2(gnn_distill: Callable, line: str, told: str):
    status, _, err = gnn_distill(*line.split(" "))
    assert status == 2
    assert told in err


def test_a_full_trace_for_those_who_ask(tmp_path: Path):
    for wrong in ("teacher=gim", "student.num_heads=5"):
        answer = shell("train", wrong, cwd=tmp_path, HYDRA_FULL_ERROR="1")
        assert answer.returncode == 1
        assert "Traceback" in answer.stderr
        assert answer.stderr.splitlines()[-1].startswith(f"gnn_distill.errors.UserError: {wrong}: ")


def test_a_fault_of_the_program_keeps_its_trace(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch):
    from gnn_distill.cli import train

    def broken(cfg: object) -> None:
        raise ValueError("--resolve is not to blame")

    monkeypatch.setattr(train, "main", broken)
    with pytest.raises(ValueError, match="not to blame"):
        gnn_distill("train")
    with pytest.raises(ValueError, match="not to blame"):
        gnn_distill("train", "-m", "seed=0,1")


def test_the_user_error_of_a_job_ends_its_sweep_with_a_word(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch):
    from gnn_distill.cli import train

    ran = []

    def pick(cfg: object) -> None:
        if cfg.seed == 1:
            raise UserError("seed=1: not today.")
        ran.append(cfg.seed)

    monkeypatch.setattr(train, "main", pick)
    status, _, err = gnn_distill("train", "-m", "seed=0,1,2")
    assert status == 1
    assert "Error executing job with overrides: ['seed=1']" in err
    told = "1 of 3 jobs failed and 2 finished; no further jobs are started."
    assert err.endswith(f"gnn-distill train: seed=1: not today.\n{told}\n")
    assert ran == [0, 2]
    status, _, err = gnn_distill("train", "-m", "seed=1,1,2")
    told = "2 of 3 jobs failed and 1 finished; no further jobs are started."
    assert err.endswith(f"{told}\n  seed=1: seed=1: not today.\n  seed=1: seed=1: not today.\n")
    status, _, err = gnn_distill("train", "seed=1")
    assert (status, err) == (1, "gnn-distill train: seed=1: not today.\n")


def test_usage_names_every_command(gnn_distill: Callable):
    for words in ((), ("-h",), ("--help",)):
        status, out, _ = gnn_distill(*words)
        assert status == 0
        assert all(f"  {command} " in out for command in cli.COMMANDS)
    assert gnn_distill("--version")[:2] == (0, f"gnn-distill {cli.__version__}\n")


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_hydras_flags(gnn_distill: Callable, command: str):
    assert f"usage: gnn-distill {command} " in gnn_distill(command, "--help")[1]
    config = gnn_distill(command, "--cfg", "job")[1]
    assert all(f"{key.name}:" in config for key in fields(SCHEMAS[command]))
    assert "--shell-completion" in gnn_distill(command, "--hydra-help")[1]
    assert "Config search path" in gnn_distill(command, "--info", "searchpath")[1]


@pytest.mark.parametrize(
    ("words", "package", "expected"),
    [
        (["loss=kd"], "alignment", "name: none"),
        (["loss=kd", "alignment=all"], "alignment", "name: all"),
        (["student=transformer"], "encoding", "spd: false"),
        (["student=transformer", "encoding=graphormer"], "encoding", "spd: true"),
    ],
)
def test_a_choice_may_bring_another_and_the_command_line_wins(
    gnn_distill: Callable, words: list[str], package: str, expected: str
):
    assert expected in gnn_distill("train", "--cfg", "job", "-p", package, *words)[1].splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gnn-distill tr", {"train"}),
        ("gnn-distill train teacher=", {f"teacher={name}" for name in choices([cli.CONF_DIR / "teacher"])}),
        ("gnn-distill train optim.weight", {"optim.weight_decay="}),
    ],
)
def test_completion_by_hydras_own_words(
    gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch, line: str, expected: set[str]
):
    monkeypatch.setenv("COMP_LINE", line)
    assert set(gnn_distill("-sc", "query=bash")[1].split()) == expected


def test_nothing_heavy_is_imported_before_a_task_starts(tmp_path: Path):
    code = (
        "import sys; import gnn_distill.cli.main as cli; sys.argv[1:] = {words}; cli.main(); "
        "print(*{heavy} & set(sys.modules), file=sys.stderr)"
    )
    for words, heavy in ([["--help"], {"hydra", "torch"}], [["train", "--cfg", "job"], {"torch", "pandas", "wandb"}]):
        program = [sys.executable, "-c", code.format(words=words, heavy=heavy)]
        answer = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (answer.returncode, answer.stderr) == (0, "\n")


def test_garbage_is_collected_from_the_first_task_on(gnn_distill: Callable, monkeypatch: pytest.MonkeyPatch):
    seen = []
    monkeypatch.setattr("gnn_distill.config.schema.register", lambda: seen.append(gc.isenabled()))
    monkeypatch.setattr("gnn_distill.cli.datasets.main", lambda cfg: seen.append(gc.isenabled()))
    gnn_distill("datasets")
    assert seen == [False, True]
    gnn_distill("--version")
    assert gc.isenabled()


def test_run_folders_are_never_shared(tmp_path: Path):
    def run(*overrides: str) -> str:
        hydra = {"run": {"dir": str(tmp_path / "run")}, "overrides": {"hydra": list(overrides)}}
        config = OmegaConf.create({"hydra": hydra})
        claim(config, "run")
        return config.hydra.run.dir

    assert [Path(run()).name for _ in range(3)] == ["run", "run_2", "run_3"]
    assert Path(run("hydra.run.dir=run")).name == "run"


def test_suggestions_are_near_or_absent():
    assert suggest("GINN", ["gcn", "gin"]) == " Did you mean 'gin'?"
    assert suggest("transformer", ["gcn", "gin"]) == ""


def test_an_unknown_key_is_first_looked_for_in_its_own_section():
    keys = ["teacher.target", "dataset.path", "dataset.target_columns", "optim.lr", "trainer.max_epochs"]
    assert nearest("dataset.target", keys) == ["dataset.target_columns"]
    assert nearest("trainer.lr", keys) == ["optim.lr"]


def test_help_and_a_typo_in_a_shell(tmp_path: Path):
    assert "\nCommands\n" in shell("--help", cwd=tmp_path).stdout
    answer = shell("datasets", "paths.dta=x", cwd=tmp_path)
    told = "paths.dta=x: unknown key. Did you mean 'paths.data'? Keys of paths: data, mirror, store."
    assert (answer.returncode, answer.stderr) == (1, f"gnn-distill datasets: {told}\n")


@pytest.mark.slow
def test_runs_in_a_shell_share_one_teacher(tmp_path: Path):
    first = shell("train", *SMALL, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    second = shell("train", *SMALL, "loss.weights.micro=0.5", cwd=tmp_path)
    assert "teacher" in next(line for line in second.stdout.splitlines() if line.startswith("Found in"))
    runs = list((tmp_path / "outputs" / "train").iterdir())
    assert len(runs) == 2
    assert all(run.name.endswith("_typed_edges_graphormer-gin_s0") for run in runs)
    assert all((run / "summary.json").is_file() and (run / ".hydra" / "config.yaml").is_file() for run in runs)

    sweep = shell("train", "-m", *SMALL, "loss.weights.micro=0.1,0.2", "loss.weights.macro=0.1,0.2", cwd=tmp_path)
    assert sweep.returncode == 0, sweep.stderr
    assert len(list((tmp_path / "multirun" / "train").glob("*/[0-3]/summary.json"))) == 4
    trained = [path for path in tmp_path.rglob("summary.json") if not json.loads(path.read_text())["reused"]["teacher"]]
    assert trained == [min(runs) / "summary.json"]
