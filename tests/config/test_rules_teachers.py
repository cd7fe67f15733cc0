"""Several teachers that cannot be: each refusal names key, value, reason and what to do."""

from collections.abc import Callable

import pytest

WRONG = {
    "teacher=none teacher.ensemble=2": "teacher.ensemble=2: needs a teacher. Choose one, as in teacher=gin.",
    "teacher=none teacher.also=[gat]": "teacher.also=[gat]: needs a teacher. Choose one, as in teacher=gin.",
    "teacher.ensemble=0": "teacher.ensemble=0: must be at least 1 and at most 100.",
    "teacher.also=[gatt]": "teacher.also=gatt: unknown choice. Choices: gat, gatedgcn, gcn, gin, mlp, pna, sage. "
    "Did you mean 'gat'?",
    "teacher.also=[gat,gat]": "teacher.also=[gat,gat]: gat is named twice. Several of one kind: teacher.ensemble=2.",
    "teacher.also=[gin]": "teacher.also=[gin]: gin is named twice. Several of one kind: teacher.ensemble=2.",
    "teacher.also=[custom]": "teacher.also=[custom]: the keys of teacher=custom describe one class. Give yours as a "
    "module with build (docs/extending.md), whose name may stand here, or use teacher.ensemble.",
    "teacher=custom teacher.target=my.Net teacher.also=[gin]": "teacher.also=[gin]: the keys of teacher=custom "
    "describe one class. Give yours as a module with build (docs/extending.md), whose name may stand here, or use "
    "teacher.ensemble.",
    "teacher.also=[my-module.gnn]": "teacher.also=my-module.gnn: must be the import path of a module, as in "
    "teacher.also=my_package.mine.",
    "teacher.also=[gat] teacher.heads=5": "teacher.heads=5: must divide teacher.hidden_channels=64. Choices for that "
    "width: 1, 2, 4, 8, 16, 32, 64.",
    "teacher.also=[gat] teacher.control=self": "teacher.also=[gat]: with teacher.control=self the student's twin takes "
    "the place of every GNN. Set teacher.also=[]; several twins: teacher.ensemble=2.",
    "loss=simkd teacher.ensemble=2": "alignment.reuse_head=true: teacher.ensemble=2: each of several teachers has a "
    "head of its own, and a student can predict with one only. Set alignment.reuse_head=false, or use one teacher.",
    "teacher=gat teacher.also=[gcn] loss.micro.attention=1 loss.micro.attention_target=gat": "loss.micro."
    "attention_target=gat: teacher.also=gcn has no attention of its own. Choose teacher=gat, or propagation or cosine.",
    "trainer.average_epochs=1": "trainer.average_epochs=1: must be at least 2.",
    "pretrain.select=first": "pretrain.select=first: unknown choice. Choices: best, last, average.",
    "pretrain.nonfinite=go": "pretrain.nonfinite=go: unknown choice. Choices: stop, skip, null.",
}


@pytest.mark.parametrize("words", WRONG)
def test_the_reason_is_told(words: str, gnn_distill: Callable) -> None:
    status, _, err = gnn_distill("train", "tracker=none", *words.split())
    assert (status, err) == (1, f"gnn-distill train: {WRONG[words]}\n")


def test_one_file_of_weights_is_one_teacher(gnn_distill: Callable, tmp_path) -> None:
    (tmp_path / "gin.pt").touch()
    status, _, err = gnn_distill("train", "tracker=none", "teacher.ensemble=2", "teacher.checkpoint=gin.pt")
    assert status == 1
    assert "teacher.ensemble=2: teacher.checkpoint holds the weights of one teacher. Set teacher.check" in err


def test_one_model_is_asked_at_a_time(gnn_distill: Callable) -> None:
    status, _, err = gnn_distill("separate", "teacher=gin", "teacher.ensemble=2", "dataset=sr25")
    assert (status, "teacher.ensemble=2: one model is asked here. Leave it out." in err) == (1, True)
