"""What a teacher does not give is not asked of it: one message that says what to do, before anything runs."""

from collections.abc import Callable

import pytest

GRAPHS = "graph states, predictions"
WRONG = {
    "signals.give=graphs": "alignment.weights.node=1.0: needs node states of the teacher, but signals.give=graphs "
    f"leaves only {GRAPHS}. Set it to 0, choose regime=graph_states, which asks for nothing else, or set "
    "signals.give=nodes.",
    "regime=graph_states alignment=subgraph": "alignment.weights.subgraph=1.0: needs means over subgraphs of the "
    f"teacher, but signals.give=graphs leaves only {GRAPHS}. Set it to 0, choose regime=graph_states, which asks for "
    "nothing else, or set signals.give=subgraphs.",
    "regime=subgraph_states loss=gcrd": "loss.baseline.gcrd=0.1: needs node states of the teacher, but "
    f"signals.give=subgraphs leaves only means over subgraphs, {GRAPHS}. Set it to 0, choose regime=subgraph_states, "
    "which asks for nothing else, or set signals.give=nodes.",
    "loss=macro_only signals.give=logits": "loss.macro.graph_relation=1.0: needs graph states of the teacher, but "
    "signals.give=logits leaves only predictions. Set it to 0, choose loss=kd, which asks for nothing else, or set "
    "signals.give=graphs.",
    "regime=graph_states loss.micro.attention_target=cosine": "loss.micro.attention_target=cosine: needs node states "
    f"of the teacher, but signals.give=graphs leaves only {GRAPHS}. Choose propagation, which reads no teacher, choose "
    "regime=graph_states, which asks for nothing else, or set signals.give=nodes.",
    "loss=simkd loss.baseline.fitnet=0 loss.weights.task=1 signals.give=graphs": "alignment.reuse_head=true: needs "
    f"node states of the teacher, but signals.give=graphs leaves only {GRAPHS}. Set it to false, choose "
    "regime=graph_states, which asks for nothing else, or set signals.give=nodes.",
    "loss=kd signals.give=graphs +loss.own={mine:{target:mine.loss}}": "loss.own.mine.reads=nodes: needs node states "
    f"of the teacher, but signals.give=graphs leaves only {GRAPHS}. Read what is given, choose regime=graph_states, "
    "which asks for nothing else, or set signals.give=nodes.",
    "regime=subgraph_states loss.baseline.mugsi_cluster=1 alignment.source=ego": "alignment.source=ego: "
    "loss.baseline.mugsi_cluster reads clusters, and with signals.give=subgraphs the teacher gives no others than "
    "these. Choose cluster, or set loss.baseline.mugsi_cluster=0.",
    "teacher=file": "teacher.outputs_file=null: teacher=file needs one. Set teacher.outputs_file=teacher.npz.",
    "teacher=file teacher.outputs_file=no.npz": "teacher.outputs_file=no.npz: this file does not exist.",
    "teacher.outputs_file=file": "teacher.outputs_file=file: teacher=gin does not read it. Set teacher=file.",
    "teacher=file teacher.outputs_file=file signals.give=nodes": "signals.give=nodes: teacher=file has no "
    "node states. Choose regime=graph_states, or loss=kd signals.give=logits.",
    "teacher=file teacher.outputs_file=file teacher.control=self": "teacher.control=self: "
    "teacher=file has no model. Choose none or shuffled.",
    "regime=graph_states signals.layers=last": "signals.layers=last: signals.give=graphs stores no node states. "
    "Choose auto.",
}


@pytest.mark.parametrize("line", WRONG)
def test_it_is_refused_with_one_message(gnn_distill: Callable, line: str) -> None:
    assert gnn_distill("train", *line.split(" ")) == (1, "", f"gnn-distill train: {WRONG[line]}\n")


@pytest.mark.parametrize(
    "line",
    [
        "regime=node_states",
        "regime=graph_states",
        "regime=subgraph_states",
        "regime=subgraph_states loss.baseline.mugsi_cluster=1",
        "regime=small_student",
        "loss=kd signals.give=logits",
        "loss=mugsi loss.baseline.mugsi_cluster=0 loss.baseline.mugsi_path=0 signals.give=graphs",
        "signals.give=logits teacher=none",
        "loss=kd signals.give=graphs loss.micro.attention_target=cosine loss.micro.attention=1",
        "loss=kd signals.give=graphs +loss.own={mine:{target:mine.loss,weight:0}}",
    ],
)
def test_what_is_given_may_be_asked(gnn_distill: Callable, line: str) -> None:
    """Up to the point where the data set is looked for."""
    words = ("dataset=nci1", "paths.data=nowhere/here", *line.split(" "))
    status, _, err = gnn_distill("train", *words, "tracker=none")
    assert status == 1
    assert "paths.data" in err or "download" in err.lower(), err
