from collections.abc import Callable
from pathlib import Path

import pytest

CLUB = """
import torch
from torch_geometric.datasets import KarateClub
from gnn_distill.extending import assemble_nodes

def load(dataset, paths):
    data = KarateClub()[0]
    data.y = torch.minimum(data.y, torch.tensor(dataset.kwargs["classes"] - 1))
    del data.train_mask
    return assemble_nodes(dataset, data)
"""
YAML = """
defaults: [/schema/dataset@_here_: nodes, _self_]
source: own_sources.club
name: club
split: random
kwargs: {classes: 3}
"""


def test_a_node_level_set_of_ones_own(gnn_distill: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {"own_sources/club.py": CLUB, "conf/dataset/club.yaml": YAML}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    words = ["dataset=club", "teacher=gcn", "student=none", "tracker=none", "debug=fast", "trainer.threads=1"]
    status, out, err = gnn_distill("train", "--config-dir", str(tmp_path / "conf"), *words, "dataset.setting=inductive")
    assert (status, err) == (0, "")
    assert "19 train, 8 val, 7 test nodes" in out
    status, out, _ = gnn_distill("datasets", "--config-dir", str(tmp_path / "conf"))
    assert any(line.startswith("club ") for line in out.splitlines())


def test_a_module_that_is_not_there(gnn_distill: Callable, tmp_path: Path) -> None:
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    (tmp_path / "conf" / "dataset" / "club.yaml").write_text("source: no_such.club\nname: club\n")
    status, _, err = gnn_distill("train", "--config-dir", str(tmp_path / "conf"), "dataset=club", "tracker=none")
    assert status == 1
    assert "dataset.source=no_such.club: no module named no_such" in err
