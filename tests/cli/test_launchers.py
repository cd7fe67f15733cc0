"""Launchers of several processes: as many as the config says meet, any other number is refused, once, by the first."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from gnn_distill.cli import agent
from gnn_distill.cli.launchers import MPI, is_follower, launched, meet, processes_to_start
from gnn_distill.config.rules_run import _devices_can_be_counted
from gnn_distill.config.schema.run import TrainerConfig
from gnn_distill.errors import UserError
from gnn_distill.interruption import Interrupted
from gnn_distill.pipeline.runtime import make_fabric

VARIABLES = (
    *("WORLD_SIZE", "RANK", "LOCAL_RANK", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT", *MPI, *MPI.values()),
    *("SLURM_NTASKS", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_JOB_ID"),
    *("SLURM_STEP_ID", "SLURM_STEP_NODELIST", "SLURM_NODELIST", "ENVIRONMENT"),
)
SRUN = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "2", "SLURM_PROCID": "0", "ENVIRONMENT": "BATCH"}
SEVERAL = {
    "torchrun": {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"},
    "a node without ranks": {"WORLD_SIZE": "4"},
    "Open MPI": {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"},
    "MPICH": {"PMI_SIZE": "16", "PMI_RANK": "0"},
    "srun": SRUN,
    "srun of another version": {"SLURM_NTASKS": "2", "SLURM_PROCID": "0"},
}
ONE = {
    "torchrun": {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"},
    "a script of sbatch": {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "ENVIRONMENT": "BATCH"},
    "a shell of salloc": {"SLURM_NTASKS": "4"},
    "srun, of a job with more": {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"},
    "no number": {"WORLD_SIZE": "all"},
}


@pytest.fixture
def set_by(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], None]]:
    """Set the variables of a launcher, and no others; what is set because of them ends with the test."""
    before = dict(os.environ)

    def launch(variables: dict[str, str]) -> None:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    yield launch
    os.environ.clear()
    os.environ |= before


@pytest.mark.parametrize("words", [(), ("trainer.devices=3",), ("-m", "seed=0,1")], ids=["run", "three", "sweep"])
def test_other_numbers_than_the_config_says_are_refused_by_the_first(
    words: tuple[str, ...], gnn_distill: Callable, set_by: Callable, tmp_path: Path
) -> None:
    words = ("train", *words, "hydra.run.dir=run", "hydra.sweep.dir=sweep", "tracker=none")
    set_by(SEVERAL["torchrun"])
    status, out, err = gnn_distill(*words)
    assert (status, out) == (1, "")
    assert err.startswith("gnn-distill train: WORLD_SIZE=2: a launcher started ")
    assert err.count("\n") == 1
    set_by(SEVERAL["torchrun"] | {"RANK": "1"})
    assert gnn_distill(*words) == (1, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("variables", SEVERAL.values(), ids=SEVERAL)
def test_every_launcher_is_known(variables: dict[str, str], set_by: Callable) -> None:
    set_by(variables)
    size, value = next(iter(variables.items()))
    with pytest.raises(
        UserError, match=f"^{size}={value}: a launcher started {value} processes, and trainer.devices=1 on"
    ):
        processes_to_start(TrainerConfig())
    assert not is_follower()
    for rank in (name for name in variables if name.endswith(("RANK", "PROCID")) and name != "LOCAL_RANK"):
        set_by(variables | {rank: "1"})
        assert is_follower()


def test_processes_that_cannot_meet_are_refused(gnn_distill: Callable, set_by: Callable) -> None:
    set_by({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"})
    status, _, err = gnn_distill("train", "trainer.devices=2", "hydra.run.dir=run", "tracker=none")
    assert status == 1
    assert "the processes of a run meet by what torchrun or srun tell them" in err


@pytest.mark.parametrize("variables", ONE.values(), ids=ONE)
def test_one_process_of_a_launcher_trains(variables: dict[str, str], set_by: Callable) -> None:
    set_by(variables)
    trainer = TrainerConfig(threads=1, accelerator="cpu")
    assert processes_to_start(trainer) == 1
    meet(trainer)
    assert make_fabric(trainer).world_size == 1


def test_a_run_starts_its_own_processes_where_nobody_did(set_by: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    set_by({})
    assert launched() is None
    assert processes_to_start(TrainerConfig(devices="3")) == 3
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert processes_to_start(TrainerConfig(devices="auto")) == 4
    with pytest.raises(UserError, match=r"trainer.num_nodes=2: a run starts processes on one machine alone"):
        processes_to_start(TrainerConfig(devices="2", num_nodes=2))
    set_by(SEVERAL["torchrun"])
    for trainer in (TrainerConfig(devices="2"), TrainerConfig(devices="1", num_nodes=2), TrainerConfig(devices="auto")):
        assert processes_to_start(trainer) == 1
    with pytest.raises(UserError, match=r"trainer.num_nodes=3: must divide WORLD_SIZE=2"):
        processes_to_start(TrainerConfig(devices="auto", num_nodes=3))


def test_processes_of_srun_meet_as_those_of_torchrun(set_by: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = {"SLURM_NODEID": "1", "SLURM_LOCALID": "0", "SLURM_STEP_NODELIST": "gpu[07-09]", "SLURM_JOB_ID": "4071"}
    set_by(SRUN | nodes | {"SLURM_PROCID": "1"})
    backends = []
    monkeypatch.setattr("gnn_distill.ranks.join", backends.append)
    meet(TrainerConfig(devices="1", num_nodes=2, accelerator="cpu"))
    assert backends == ["gloo"]
    names = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "GROUP_RANK", "MASTER_ADDR")
    assert [os.environ[name] for name in names] == ["2", "1", "0", "1", "gpu07"]
    assert 15_000 <= int(os.environ["MASTER_PORT"]) < 25_000


@pytest.mark.parametrize("devices", ["0", "two", "-1", "1.5"])
def test_devices_are_counted(devices: str) -> None:
    with pytest.raises(UserError, match=f"trainer.devices={devices}: must be auto or a whole number, at least 1."):
        _devices_can_be_counted(OmegaConf.create({"trainer": {"devices": devices}}))


class TestAgent:
    """What a run makes of the ends of the processes that it has started."""

    @pytest.fixture(autouse=True)
    def job(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source = SimpleNamespace(provider="command-line", path="own")
        config = {"overrides": {"task": ["seed=1", "paths.store=s", "tracker=none"]}, "mode": "RUN"}
        job = OmegaConf.create(config)
        monkeypatch.setattr(agent.HydraConfig, "get", lambda: job)
        job.runtime = {"config_sources": [vars(source)]}

    def made(self, monkeypatch: pytest.MonkeyPatch, codes: dict[int, int], resume: bool = False) -> list[str]:
        """The words of each process, if they end with these exit codes."""
        called = []
        monkeypatch.setattr(agent, "_run", lambda count, words: called.append((count, words)) or codes)
        monkeypatch.setattr(agent, "read_summary", lambda _: {"metric": "mae", "student": {"val": {"mae": 0.5}}})
        assert agent.train_with_ranks(2, Path("a run"), None, resume) == 0.5
        ((count, words),) = called
        assert count == 2
        return words

    def test_their_command_line_is_that_of_the_job(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = dict(os.environ)
        words = ["--config-dir=own", "seed=1", "paths.store=s", "tracker=none", "hydra.run.dir='a run'"]
        assert self.made(monkeypatch, {}) == ["-m", "gnn_distill", "train", *words]
        words = ["resume=a run", "paths.store=s", "tracker=none"]
        assert self.made(monkeypatch, {}, resume=True) == ["-m", "gnn_distill", "train", *words]
        assert dict(os.environ) == before

    @pytest.mark.parametrize(
        ("codes", "code", "tells"),
        [
            ({1: 1}, 1, False),
            ({0: 75, 1: 1}, 1, False),
            ({1: -9}, 75, False),  # the first process says how to resume
            ({0: -9}, 75, True),
            ({0: 75}, 75, False),
            ({0: -15, 1: -9}, 75, False),  # ended by the agent, after its last word
            ({0: -11, 1: 75}, 75, True),
        ],
    )
    def test_an_error_ends_the_run_and_a_signal_stops_it(
        self,
        codes: dict[int, int],
        code: int,
        tells: bool,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture,
    ) -> None:
        with pytest.raises((SystemExit, Interrupted)) as stop:
            self.made(monkeypatch, codes)
        assert (stop.value.code if isinstance(stop.value, SystemExit) else stop.value.exit_code) == code
        assert ("Resume with: gnn-distill train resume=" in capsys.readouterr().out) == tells
