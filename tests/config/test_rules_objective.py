"""An objective that cannot be: what is taught must be there, on both sides."""

from collections.abc import Callable

import pytest

OTHERS = (
    "student=gps, student=graphormer, student=nagphormer, student=polynormer, student=sgformer or student=transformer"
)
WRONG = {
    "loss.micro.attention=1 student=sgformer": "loss.micro.attention=1.0: student=sgformer has no attention between "
    "pairs of nodes. Set loss.micro.attention=0, or choose student=gps, student=graphormer or "
    "student=transformer.",
    "loss.micro.attention=1 loss.micro.attention_layers=[2,5]": "loss.micro.attention_layers=[2,5]: "
    "must be at most student.num_layers=4.",
    "loss.micro.attention_layers=[0]": "loss.micro.attention_layers[0]=0: must be at least 1.",
    "loss.micro.attention=1 loss.micro.attention_heads=5": "loss.micro.attention_heads=5: must be at most "
    "student.num_heads=4.",
    "loss.micro.attention=1 loss.micro.attention_target=gat": "loss.micro.attention_target=gat: teacher=gin has no "
    "attention of its own. Choose teacher=gat, or propagation or cosine.",
    "teacher=gat teacher.control=shuffled loss.micro.attention=1 loss.micro.attention_target=gat": "loss.micro."
    "attention_target=gat: teacher.control=shuffled has no such attention. Choose propagation or cosine.",
    "loss=kd loss.weights.soft=0 loss.weights.task=0 alignment=node": "loss.weights.task=0: loss.weights.soft=0 "
    "as well: nothing trains the student's head. Set one of them above 0, or reuse the teacher's head: "
    "alignment.reuse_head=true.",
    "loss=simkd loss.baseline.fitnet=0 alignment.weights.graph=1": "alignment.reuse_head=true: nothing trains the "
    "states that the head reads. Set alignment.weights.node, loss.baseline.fitnet or loss.weights.task above 0.",
    "loss=simkd teacher.control=untrained": "alignment.reuse_head=true: the trained teacher's head cannot read states "
    "of an untrained one (teacher.control=untrained). Set alignment.reuse_head=false.",
    "loss=simkd teacher.control=self": "alignment.reuse_head=true: the head of a student with student.readout=token "
    "reads the token, not the nodes (teacher.control=self). Set alignment.reuse_head=false.",
    "loss=simkd teacher=custom teacher.target=my_package.MyGNN": "alignment.reuse_head=true: teacher=custom has "
    "no head of this package's to reuse. Set alignment.reuse_head=false.",
    "loss=lsp loss.baseline.projection=none student.hidden_channels=32": "loss.baseline.projection=none: "
    "teacher.hidden_channels=64 and student.hidden_channels=32 differ. Choose linear or mlp, or equal widths.",
    "alignment.channels=0.5 loss.micro.projection=none": "alignment.channels=0.5: loss.micro.projection=none compares "
    "all channels. Choose linear or mlp, or set it to 1.",
    "loss=simkd alignment.channels=0.5": "alignment.reuse_head=true: the head reads all channels "
    "(alignment.channels=0.5). Set alignment.reuse_head=false.",
    "student=graphvit loss=micro_macro alignment=all": "alignment.weights.node, alignment.source, loss.micro.relation: "
    "student=graphvit has no states of nodes, which these compare. Set alignment.weights.node=0 "
    f"alignment.source=patch loss.micro.relation=0, or choose {OTHERS}.",
    "student=graphvit loss.baseline.gcrd=0.1": "loss.baseline.gcrd: student=graphvit has no states of nodes, "
    f"which this compares. Set loss.baseline.gcrd=0, or choose {OTHERS}.",
    "student=graphvit +loss.own={mine:{target:my.loss}} alignment.reuse_head=true": "loss.own.mine.reads, "
    "alignment.reuse_head: student=graphvit has no states of nodes, which these compare. Set "
    f"loss.own.mine.reads=graphs alignment.reuse_head=false, or choose {OTHERS}.",
    "alignment=patch": "alignment.source=patch: student=graphormer has no patches. Choose ego, walk, cluster or "
    "fragment, or student=graphvit.",
    "student=graphvit teacher.control=self": "alignment.weights.subgraph=1.0: teacher.control=self: the "
    "teacher is student=graphvit itself, without states of nodes whose mean over a patch could be matched. Set it to "
    "0.",
    "loss.soft.exits=1 student.num_layers=1": "loss.soft.exits=1.0: student.num_layers=1: there is no layer before the "
    "last. Set it to 0, or use more layers.",
    "alignment.standardise=whiten loss.macro.projection=none": "loss.macro.projection=none: alignment.standardise="
    "whiten rotates the teacher's states. Choose linear or mlp.",
    "loss=simkd alignment.standardise=whiten": "alignment.standardise=whiten: the teacher's head reads states as they "
    "are. Choose std, or set alignment.reuse_head=false.",
    "alignment.channels=1.5": "alignment.channels=1.5: must be above 0 and at most 1.",
    "+loss.own={my-loss:{target:mine.loss}}": "loss.own.my-loss: must be a Python name (letters, digits and _): "
    "the term is called own_<name>.",
    "+loss.own={mine:{weight:1}}": "loss.own.mine.target has no value. Give it one: loss.own.mine.target=…",
    "+loss.own={mine:{target:loss}}": "loss.own.mine.target=loss: must be the import path of a function: "
    "loss.own.mine.target=my_package.my_function.",
    "+loss.own={mine:{target:mine.loss,weight:-1}}": "loss.own.mine.weight=-1.0: must be at least 0.",
    "+loss.own={mine:{target:mine.loss,reads:edges}}": "loss.own.mine.reads=edges: unknown choice. Choices: "
    "nodes, graphs, logits. Did you mean 'nodes'?",
    "+loss.own={mine:{target:mine.loss,kwargs:3}}": "loss.own.mine.kwargs=3: must be a section of arguments "
    "by name, as in {alpha: 0.5}.",
    "+loss.own={mine:{target:mine.loss,wight:3}}": "+loss.own={mine:{target:mine.loss,wight:3}}: unknown key. "
    "Did you mean 'loss.own'? Keys of loss.own.mine: target, weight, reads, projection, kwargs.",
    "+loss.own={mine:3}": "loss.own.mine: must be a section, as in {key: value}.",
    "loss.own=3": "loss.own=3: must hold sections by name, as in {name: {key: value}}.",
    "loss.own={mine:{target:mine.loss}}": "loss.own={mine:{target:mine.loss}}: loss.own has no mine yet. Add it: "
    "'+loss.own={mine:{target:mine.loss}}'.",
    "+loss.own.mine={target:mine.loss}": "+loss.own.mine={target:mine.loss}: loss.own has no mine yet. Add it: "
    "'+loss.own={mine: {target:mine.loss}}'.",
    "loss.own.mine.target=mine.loss": "loss.own.mine.target=mine.loss: loss.own has no mine yet. Add it: "
    "'+loss.own={mine: {target: mine.loss}}'.",
    "loss=simkd loss.baseline.fitnet=0 +loss.own={mine:{target:mine.loss,reads:graphs}}": "alignment.reuse_head=true: "
    "nothing trains the states that the head reads. Set alignment.weights.node, loss.baseline.fitnet or "
    "loss.weights.task above 0.",
    "alignment.source=egg": "alignment.source=egg: unknown choice. Choices: ego, walk, cluster, fragment, patch. "
    "Did you mean 'ego'?",
}


@pytest.mark.parametrize("line", WRONG)
def test_it_is_refused_with_one_message(gnn_distill: Callable, line: str) -> None:
    assert gnn_distill("train", *line.split(" ")) == (1, "", f"gnn-distill train: {WRONG[line]}\n")


@pytest.mark.parametrize(
    "line",
    [
        "loss.micro.attention=1 student=gps",
        "loss.micro.attention=1 loss.weights.micro=0 student=sgformer",
        "loss.micro.attention=1 teacher=none student=sgformer",
        "loss.micro.attention=1 loss.micro.attention_target=gat teacher=gat teacher.control=untrained",
        "loss=simkd teacher=none loss.weights.task=1",
        "loss=simkd teacher.control=self student=transformer",
        "loss=simkd loss.baseline.fitnet=0 +loss.own={mine:{target:mine.loss}}",
        "loss=task loss.weights.task=0 +loss.own={mine:{target:mine.loss,reads:logits}}",
    ],
)
def test_what_can_be_is_not_refused(gnn_distill: Callable, line: str) -> None:
    """Up to the point where the data set is looked for."""
    words = ("dataset=nci1", "paths.data=nowhere/here", *line.split(" "))
    status, _, err = gnn_distill("train", *words, "tracker=none")
    assert status == 1
    assert "paths.data" in err or "download" in err.lower(), err
