import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_tasks import encode, make_graphs, make_node_task, make_spec, preset

from gnn_distill.cli.main import CONF_DIR
from gnn_distill.cli.models import GROUPS, describe
from gnn_distill.config.capabilities import capabilities_of
from gnn_distill.config.catalogue import choices
from gnn_distill.data.batching import collate
from gnn_distill.models import build_student, build_teacher

OURS = [(group, name) for group in GROUPS for name in choices([CONF_DIR / group])]
MODELS = [(group, name) for group, name in OURS if group != "encoding" and name not in ("none", "custom", "file")]


@pytest.mark.parametrize(("group", "name"), OURS)
def test_every_file_says_what_it_is(group: str, name: str) -> None:
    choose, level, reads, what = describe(group, name, [CONF_DIR / group])
    assert choose == f"{group}={name}"
    assert what
    assert (group == "encoding") == (level == "") == (reads == "")


@pytest.mark.parametrize(("group", "name"), MODELS)
def test_what_is_said_is_true(group: str, name: str) -> None:
    _, level, reads, _ = describe(group, name, [CONF_DIR / group])
    encoding = preset("encoding", "all", rwse=4, lap_pe=3)
    for word, graphs, spec in (
        ("graph", make_graphs(make_spec(edges="continuous")), make_spec(edges="continuous")),
        ("node", (task := make_node_task(edges="continuous")).graphs, task.spec),
    ):
        config = preset(group, name)
        student = None if group == "teacher" else config
        if student and word == "node" and not capabilities_of(name).node_states:
            assert word not in level
            continue
        model = build_student(config, encoding, spec) if student else build_teacher(config, spec)
        assert model.reads_edges == ("edge features" in reads)
        assert word in level
        with torch.no_grad():
            batch = collate(graphs, encode(graphs, encoding, student), torch.arange(len(graphs)))
            assert model.eval()(batch).logits.shape == (len(graphs.y), spec.num_outputs)


def test_own_files_are_listed_with_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text("name: mine.plain\n")
    (tmp_path / "said.yaml").write_text(
        "# Sums of neighbours.\n# Level: graph. Reads: edges, and more.\nname: mine.said\n"
    )
    assert describe("teacher", "plain", [tmp_path]) == ("teacher=plain", "", "", "")
    assert describe("teacher", "said", [tmp_path]) == ("teacher=said", "graph", "edges, and more", "Sums of neighbours")


def test_command_prints_a_table_without_torch(tmp_path: Path) -> None:
    (tmp_path / "conf" / "teacher").mkdir(parents=True)
    (tmp_path / "conf" / "teacher" / "mine.yaml").write_text("# Mine.\nname: mine.gnn\n")
    code = "import sys; from gnn_distill.cli.main import main; main(); assert 'torch' not in sys.modules"
    command = [sys.executable, "-c", code, "models", "--config-dir", "conf"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["choose", "level", "reads", "what"]
    assert {line.split()[0] for line in lines[1:]} == {*(f"{group}={name}" for group, name in OURS), "teacher=mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]
