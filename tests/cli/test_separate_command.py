"""`gnn-distill separate`: published counts, resuming, and messages."""

from collections.abc import Callable
from pathlib import Path

import networkx as nx
import pandas as pd
import pytest

from gnn_distill.cli import separate as command
from gnn_distill.data.reading.graph_pairs import pack
from gnn_distill.pipeline import separate

GRAPHS = [
    *(nx.cycle_graph(6), nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(3))),
    *(nx.path_graph(6), nx.star_graph(5)),
    *(nx.cycle_graph(8), nx.disjoint_union(nx.cycle_graph(4), nx.cycle_graph(4))),
]
PAIRS = {"basic": range(2), "regular": range(2, 3)}
SMALL = ("teacher.hidden_channels=16", "brec.lr=0.01", "separate.threads=1")


@pytest.fixture
def three_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three pairs as BREC; a GIN distinguishes the second one."""
    monkeypatch.setattr(command, "load_graphs", lambda *_: pack(GRAPHS))
    for module in (command, separate):
        monkeypatch.setattr(module, "PAIRS", PAIRS)


def folder_of(out: str) -> Path:
    (folder,) = {line.removeprefix("Files: ") for line in out.splitlines() if line.startswith("Files: ")}
    return Path(folder)


def test_no_gin_tells_apart_a_pair_of_sr25(gnn_distill: Callable, mirror: Path) -> None:
    words = ("dataset=sr25", "separate.models=2", "separate.threads=1", f"paths.mirror={mirror}")
    status, out, err = gnn_distill("separate", *words, "teacher=gin")
    assert (status, err) == (0, "")
    folder = folder_of(out)
    table = pd.read_csv(folder / "separation.csv")
    assert table["model"].tolist() == ["0", "1", "all"]
    assert table["pairs"].tolist() == [105] * 3
    assert table["told_apart"].tolist() == [0] * 3
    assert len(pd.read_csv(folder / "same.csv")) == 105
    assert "| all | 105 | 105 | 0 | 0 |" in (folder / "separation.md").read_text()
    assert "\x1b" not in out  # no colours off a terminal


@pytest.mark.slow
def test_a_deep_gin_cannot_separate_the_312_pairs_of_graph8c_that_1_wl_cannot(
    gnn_distill: Callable, mirror: Path
) -> None:
    words = ("dataset=graph8c", "separate.models=1", "separate.threads=1", f"paths.mirror={mirror}")
    status, out, _ = gnn_distill("separate", *words, "teacher=gin", "teacher.num_layers=8", "separate.tolerance=1e-9")
    assert status == 0
    table = pd.read_csv(folder_of(out) / "separation.csv")
    assert table["pairs"].tolist() == [11_117 * 11_116 // 2] * 2
    assert table["not_told_apart"].tolist() == [312] * 2


def test_pairs_by_category_and_more_of_them_later(gnn_distill: Callable, three_pairs: None) -> None:
    words = ("separate", "dataset=brec", "teacher=gin", *SMALL)
    status, out, err = gnn_distill(*words, "brec.categories=[basic]")
    assert (status, err) == (0, "")
    first = folder_of(out)
    pairs = pd.read_csv(first / "pairs.csv")
    assert pairs["pair"].tolist() == [0, 1]
    assert pairs["distinguished"].tolist() == [False, True]
    assert "| basic | 2 of 2 | 1 | 0 |" in (first / "separation.md").read_text()
    status, out, _ = gnn_distill(*words, "brec.categories=[regular,basic]")
    assert folder_of(out) == first
    assert "2 of 3 pairs are finished" in out
    table = pd.read_csv(first / "separation.csv")
    assert table["category"].tolist() == ["basic", "regular", "all"]
    assert table["pairs"].tolist() == ["2 of 2", "1 of 1", "3 of 3"]
    assert table["distinguished"].tolist() == [1, 0, 1]
    pd.testing.assert_frame_equal(pd.read_csv(first / "pairs.csv").head(2), pairs)


def test_a_table_counts_the_chosen_categories_alone(gnn_distill: Callable, three_pairs: None) -> None:
    words = ("separate", "dataset=brec", "teacher=gin", *SMALL)
    gnn_distill(*words, "brec.categories=[basic,regular]")
    _, out, _ = gnn_distill(*words, "brec.categories=[regular]")
    table = pd.read_csv(folder_of(out) / "separation.csv")
    assert table["pairs"].tolist() == ["1 of 1", "1 of 1"]
    assert table["distinguished"].tolist() == [0, 0]


def test_differences_that_the_published_statistic_leaves_out_are_told(
    gnn_distill: Callable, three_pairs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {
        "distinguished": False,
        "reliable": True,
        "statistic": 0.0,
        "same_statistic": 0.0,
        "p_value": 1.0,
        "epochs": 1,
    }
    smoothed = iter([1e5, 72.3, 72.4])
    monkeypatch.setattr(separate, "separate_pair", lambda *_: row | {"smoothed_statistic": next(smoothed), "epochs": 1})
    words = ("separate", "dataset=brec", "teacher=gin", "brec.categories=[basic,regular]")
    status, out, _ = gnn_distill(*words)
    assert status == 0
    assert "Note: 2 more would be distinguished with brec.epsilon=1e-07" in out
    assert "2 more would be" in (folder_of(out) / "separation.md").read_text()


def test_a_killed_command_continues_after_its_last_pair_with_the_same_result(
    gnn_distill: Callable, three_pairs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("separate", "dataset=brec", "teacher=gin", *SMALL, "brec.categories=[basic,regular]")
    whole = (folder_of(gnn_distill(*words, "separate.folder=whole")[1]) / "pairs.csv").read_text()
    made, separate_pair = [], separate.separate_pair

    def until_killed(*arguments: object) -> dict:
        made.append(arguments[-1])
        if len(made) == 2:
            raise KeyboardInterrupt
        return separate_pair(*arguments)

    monkeypatch.setattr(separate, "separate_pair", until_killed)
    assert gnn_distill(*words)[0] == 130
    (path,) = Path("outputs/separate").glob("*/pairs.csv")
    with open(path, "a") as file:
        file.write("1,basic,True,True,80.0,1.0,0.1,90.0,2")  # killed in the middle of a number
    status, out, _ = gnn_distill(*words)
    assert (status, made) == (0, [0, 1, 1, 2])
    assert "1 of 3 pairs are finished" in out
    assert path.read_text() == whole


def test_other_settings_have_a_folder_of_their_own(gnn_distill: Callable, three_pairs: None) -> None:
    words = ("separate", "dataset=brec", "teacher=gin", *SMALL, "brec.categories=[regular]")
    folders = [folder_of(gnn_distill(*words, *more)[1]) for more in ((), ("seed=1",), ("brec.max_epochs=1",), ())]
    assert len({*folders}) == 3
    assert folders[0] == folders[3]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no model is chosen. Choose one: teacher=gin, or student=graphormer."),
        (("teacher=gin", "student=graphormer"), "two models are chosen, teacher=gin and student=graphormer."),
        (("dataset=csl", "teacher=gin"), "Choose dataset=sr25, graph8c or brec."),
        (("teacher=gin", "teacher.control=untrained"), "teacher.control=untrained: models start from random weights"),
        (("teacher=gin", "brec.copies=16"), "brec.copies=16: must exceed brec.outputs=16"),
        (("teacher=gin", "brec.batch_size=15"), "brec.batch_size=15: must be even"),
        (("teacher=gin", "brec.categories=[]"), "brec.categories=[]: name one category or more"),
        (("teacher=gin", "brec.categories=[basics]"), "Did you mean 'basic'?"),
        (("teacher.name=gni",), "teacher.name=gni: unknown choice."),
        (("student=graphormer", "encoding=none"), "encoding.spd=False: student=graphormer needs hop distances"),
        (("student=graphormer", "student.num_heads=5"), "student.num_heads=5: must divide"),
    ],
)
def test_settings_that_do_not_fit_are_refused(gnn_distill: Callable, words: tuple[str, ...], said: str) -> None:
    status, out, err = gnn_distill("separate", *words)
    assert (status, out) == (1, "")
    assert said in err
    assert not Path("outputs").exists()
