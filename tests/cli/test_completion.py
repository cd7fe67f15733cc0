"""Completion: what may follow, and that bash offers it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gnn_distill.cli.commands import COMMANDS, CONF_DIR
from gnn_distill.cli.completion import MOST_RUNS, REMOVAL, SCRIPTS, candidates
from gnn_distill.config.catalogue import choices


def of(line: str) -> set[str]:
    """The candidates for the last word of a line."""
    return {*candidates(line.split(" "))}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two finished runs, the older one of a sweep, beside a file."""
    monkeypatch.chdir(tmp_path)
    folders = ["multirun/train/noon/0", "outputs/train/evening"]
    for age, folder in enumerate(folders):
        Path(folder).mkdir(parents=True)
        Path(folder, "summary.json").touch()
        os.utime(Path(folder, "summary.json"), (age, age))
    Path("new.csv").touch()
    return folders


def test_groups_and_keys_and_their_values() -> None:
    assert of("train teacher=") == {f"teacher={name}" for name in choices([CONF_DIR / "teacher"])}
    assert of("train -m student=gps,gr") == {"student=gps,graphormer", "student=gps,graphvit"}
    assert of("train optim.w") == {"optim.weight_decay=", "optim.warmup="}
    assert {"optim.", "optim=", "optim@pretrain.optim=", "seed=", "resume=", "tuned="} <= of("train ")
    assert of("train optim.schedule=") == {f"optim.schedule={name}" for name in ("cosine", "linear", "constant")}
    assert of("train alone=t") == {"alone=true"}
    assert of("train pretrain.sampler=n") == {"pretrain.sampler=neighbor", "pretrain.sampler=null"}
    assert of("train dataset.smi") == {"dataset.smiles_column="}
    assert of("train tuned=esol/k") == {"tuned=esol/kd"}
    assert of("train optim@pretrain.optim=c") == {"optim@pretrain.optim=constant"}


def test_what_applies_to_a_command() -> None:
    assert of("separate dataset=") == {"dataset=brec", "dataset=graph8c", "dataset=sr25"}
    assert of("compare student=gps") == {"student=gps"}
    assert of("compare pa") == {"pairs=", "paths."}
    assert {"list", "verify", "prune", "store."} <= of("store ")
    assert of("tables tea") == of("nonsense tea") == set()
    assert of("train --cfg ") == {"job", "hydra", "all"}
    assert of("train --c") == {"--cfg", "--config-dir", "--config-name", "--config-path"}
    assert of("train --help -p loss.s") >= {"loss.soft", "loss.schedule.task"}
    assert "-o" in of("predict -")
    assert "-o" not in of("train -")
    assert of("--completion ") == {*SCRIPTS}


def test_runs_and_files_where_they_belong(runs: list[str]) -> None:
    assert {*runs, "new.csv", "outputs/", "coverage="} <= of("predict ")
    assert of("explain outputs/train/e") == {"outputs/train/evening", "outputs/train/evening/"}
    assert of("probe outputs/t") == {"outputs/train/", "outputs/train/evening"}
    assert of("convert n") == {"new.csv"}
    assert of("predict x new.csv -o n") == {"new.csv"}
    assert of("train dataset.path=n") == {"dataset.path=new.csv"}
    assert not {*runs, "new.csv"} & of("train ")


def test_of_many_runs_the_newest(runs: list[str]) -> None:
    for number in range(MOST_RUNS):
        Path(f"outputs/cells/{number}").mkdir(parents=True)
        Path(f"outputs/cells/{number}/summary.json").touch()
    assert not {*runs} & of("explain ")
    assert "outputs/cells/7" in of("explain ")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_offers_them(runs: list[str], tmp_path: Path) -> None:
    program = tmp_path / "bin" / "gnn-distill"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gnn_distill "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(gnn-distill --completion bash)"
        complete -p gnn-distill
        for COMP_LINE in 'gnn-distill exp' 'gnn-distill train seed=1 teacher=ga' 'gnn-distill explain multi'; do
            COMP_POINT=${#COMP_LINE}
            _gnn_distill
            printf '%s|' "${COMPREPLY[@]}"
            echo
        done
        COMP_POINT=18 COMP_LINE='gnn-distill train  and more behind the cursor' _gnn_distill
        echo "${#COMPREPLY[@]}"
    """
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    command = [shutil.which("bash"), "--norc", "-c", script]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert answer.stderr == ""
    first, *lines, several = answer.stdout.splitlines()
    assert first == "complete -F _gnn_distill gnn-distill"
    # Bash replaces what follows the =.
    assert lines == ["explain|export|", "gat|gatedgcn|", "multirun/|multirun/train/noon/0|"]
    assert int(several) > 20


def test_the_set_up_of_a_shell_is_printed(gnn_distill: Callable) -> None:
    for shell in SCRIPTS:
        assert gnn_distill("--completion", shell)[1].endswith(SCRIPTS[shell])
    assert gnn_distill("-sc", "install=zsh")[1].endswith(SCRIPTS["zsh"])
    assert gnn_distill("--completion")[1].endswith(SCRIPTS["bash"])
    message = "gnn-distill --completion: --completion fsh: choose bash, zsh or fish. Did you mean 'fish'?\n"
    assert gnn_distill("--completion", "fsh") == (1, "", message)


def test_completion_is_removed_by_hydras_words(gnn_distill: Callable) -> None:
    for words in (("-sc", "uninstall=bash"), ("train", "-sc", "uninstall=bash"), ("train", "uninstall=bash", "-sc")):
        assert gnn_distill(*words)[1].endswith(f"\n{REMOVAL['bash']}")
    assert gnn_distill("train", "-sc", "install=fish")[1].endswith(SCRIPTS["fish"])
    assert gnn_distill("-sc", "uninstall=fsh")[0] == 1
    message = "gnn-distill -sc: say what: -sc install=SHELL or -sc uninstall=SHELL, for bash, zsh or fish.\n"
    assert gnn_distill("train", "-sc") == gnn_distill("-sc", "instal=bash") == (1, "", message)


def test_bash_forgets_it() -> None:
    functions = "declare -F _gnn_distill; complete -p gnn-distill"
    command = [shutil.which("bash"), "--norc", "-c", f"{SCRIPTS['bash']}{REMOVAL['bash']}{functions}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1  # complete finds no specification


def test_a_first_word_needs_no_schema(gnn_distill: Callable) -> None:
    assert gnn_distill("--complete", "ta")[1].split() == ["tables", "table"]
    assert {*COMMANDS} < {*gnn_distill("--complete", "")[1].split()}
