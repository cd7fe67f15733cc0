"""Reading a graph in parts: what does not go together is refused before anything is read."""

from collections.abc import Callable

import pytest

GAT = ("loss.micro.attention_target=gat", "loss.micro.attention=1")
WORDS = ("train", "dataset=cora", "teacher=sage", "student=nagphormer", "alignment=node", "trainer.batch_nodes=64")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["trainer.sampler=neighbor", "trainer.batch_nodes=0"],
            "trainer.batch_nodes=0: trainer.sampler=neighbor needs",
        ),
        (["pretrain.sampler=neighbor", "trainer.batch_nodes=0"], "pretrain.sampler=neighbor needs"),
        (["trainer.sampler=random", "trainer.parts=1"], "trainer.parts=1: trainer.sampler=random needs"),
        (["trainer.sampler=random", "teacher.control=self"], "a twin is not run layer by layer"),
        (["trainer.sampler=neighbor", "teacher.ensemble=2"], "teacher.ensemble=2 has several"),
        (
            ["pretrain.sampler=neighbor", "teacher=gat", "student=gps", "encoding=none", *GAT],
            "loss.micro.attention_target=gat: the attention of a teacher",
        ),
        (["trainer.sampler=neighbor", "encoding=walk"], "reads stored hops of features alone"),
        (["trainer.sampler=neighbor", "student=gps", "encoding=none"], "forms all pairs of a neighbourhood"),
        (["trainer.sampler=random", "student=graphormer"], "encoding.spd=True: trainer.sampler=random"),
        (["trainer.sampler=random", "alignment=subgraph", "alignment.source=cluster"], "alignment.source=cluster"),
        (["trainer.sampler=neighbor", "teacher.num_layers=3"], "the teacher's layers, teacher.num_layers=3"),
        (["trainer.sampler=metis"], "Choices: full, neighbor, random, cluster"),
        (["trainer.fanout=[10,0]"], "trainer.fanout"),
    ],
)
def test_what_does_not_go_together_is_refused(gnn_distill: Callable, changes: list[str], message: str):
    status, _, err = gnn_distill(*WORDS, *changes)
    assert status == 1
    assert message in err
