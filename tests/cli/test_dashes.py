"""Words with a dash that are no flags."""

from collections.abc import Callable

import pytest

UNKNOWN = "unknown flag. Keys are written key=value; gnn-distill train --help lists them."
# A wrong command line, and the whole message.
WRONG = {
    "train --teacher gin": "write teacher=gin instead of --teacher gin.",
    "train --teacher=gin": "write teacher=gin instead of --teacher=gin.",
    "train seed=1 --teacher gin --student=gps dataset=esol": "write teacher=gin instead of --teacher gin, "
    "student=gps instead of --student=gps.",
    "train --optim.lr 0.1": "write optim.lr=0.1 instead of --optim.lr 0.1.",
    "train --lr 0.1": "write optim.lr=0.1 or pretrain.optim.lr=0.1 instead of --lr 0.1.",
    "train -lr 0.1": "write optim.lr=0.1 or pretrain.optim.lr=0.1 instead of -lr 0.1.",
    "train --learning-rate=0.1": "write optim.lr=0.1 or pretrain.optim.lr=0.1 instead of --learning-rate=0.1.",
    "train --num-layer 3": "write teacher.num_layers=3 or student.num_layers=3 instead of --num-layer 3.",
    "train --epochs 5": "write pretrain.max_epochs=5 or pretrain.average_epochs=5 or trainer.max_epochs=5 "
    "instead of --epochs 5.",
    "train --alone": "write alone=true instead of --alone.",
    "train --alone seed=1": "write alone=true instead of --alone.",
    "train --seed": "write seed=… instead of --seed.",
    "train --smiles-column S": "write dataset.smiles_column=S instead of --smiles-column S.",
    "train --recipe classic": "write recipe=classic instead of --recipe classic.",
    "train --resume outputs/x": "write resume=outputs/x instead of --resume outputs/x.",
    "train --mutlirun seed=0,1": "--mutlirun: unknown flag. Did you mean '--multirun'?",
    "train -cfg job": "-cfg: unknown flag. Did you mean '--cfg'?",
    "train --foo": f"--foo: {UNKNOWN}",
    "train -x --sed 1": f"-x: {UNKNOWN} Write seed=1 instead of --sed 1.",
    "predict run new.csv -o x.csv --coverage 0.9": "write coverage=0.9 instead of --coverage 0.9.",
    "predict run new.csv --otuput x.csv": "write output=x.csv instead of --otuput x.csv.",
    "compare --dataset esol --pairs 3": "write dataset=esol instead of --dataset esol, pairs=3 instead of --pairs 3.",
    "runs --last=3": "write last=3 instead of --last=3.",
    "export run --format onnx": "write format=onnx instead of --format onnx.",
}


@pytest.mark.parametrize("line", WRONG)
def test_the_answer_says_what_to_write(gnn_distill: Callable, line: str) -> None:
    command = line.split(" ")[0]
    assert gnn_distill(*line.split(" ")) == (1, "", f"gnn-distill {command}: {WRONG[line]}\n")


def test_values_are_quoted_for_a_shell(gnn_distill: Callable) -> None:
    err = gnn_distill("train", "--dataset.path", "my file.csv")[2]
    assert err == "gnn-distill train: write dataset.path='my file.csv' instead of --dataset.path my file.csv.\n"


@pytest.mark.parametrize("line", ["--cfg job", "--cfg=job", "-c job", "-cjob", "--info searchpath", "-i config"])
def test_flags_of_hydra_work(gnn_distill: Callable, line: str) -> None:
    status, out, _ = gnn_distill("models", *line.split(" "))
    assert status == 0
    assert out


def test_two_flags_that_a_word_may_begin_are_for_hydra_to_tell(gnn_distill: Callable) -> None:
    status, _, err = gnn_distill("models", "--conf", "mine")
    assert status == 2
    assert "ambiguous option: --conf" in err
