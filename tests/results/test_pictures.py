"""Figures of pages as files of their own."""

from pathlib import Path

import pytest
from pages import make_run, page_of
from probed_runs import make_probed_run

from gnn_distill.config.schema.report import ReportConfig
from gnn_distill.results.pictures import Picture, pictures_of, save, write_pictures
from gnn_distill.results.probe_files import write_probes
from gnn_distill.results.probes import find_runs
from gnn_distill.results.report import render


def figure(label: str = "epoch"):
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(3, 2))
    drawn.subplots().set(xlabel=label)
    return drawn


def figures_in(folder: Path) -> set[str]:
    return {path.name for path in (folder / "figures").glob("*")}


def test_text_of_files_stays_text_in_fonts_that_journals_take(tmp_path: Path) -> None:
    assert ">epoch</text>" in save(figure(), tmp_path / "a.svg").read_text()
    pdf = save(figure(), tmp_path / "a.pdf").read_bytes()
    assert b"/FontFile2" in pdf  # embedded, as TrueType
    assert b"/Type3" not in pdf
    assert save(figure(), tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_equal_figures_are_equal_files(tmp_path: Path, kind: str) -> None:
    one, other = (save(figure(), tmp_path / name / f"x.{kind}").read_bytes() for name in "ab")
    assert one == other


def test_pictures_are_found_wherever_a_page_has_them(tmp_path: Path) -> None:
    one, other, third = (Picture(alt, figure()) for alt in ("loss of A/B", "loss of A B", "c"))
    page = {"title": "x", "curves": [one], "sections": [{"figures": (other,)}], "profile": {"figures": [third]}}
    assert list(pictures_of(page)) == [one, other, third]
    names = [path.name for path in write_pictures(page, tmp_path, "svg")]
    assert names == ["loss_of_A_B.svg", "loss_of_A_B_2.svg", "c.svg"]
    assert figures_in(tmp_path) == {*names}


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_the_figures_of_the_page_of_a_run_are_files_of_the_kind_that_is_asked_for(tmp_path: Path, kind: str) -> None:
    run = make_run(tmp_path / "run", epochs=3)
    page_of(run)
    assert figures_in(run) == set()
    page = page_of(run, figures=kind)
    names = ["validation_metric", "loss_of_the_student", "loss_of_the_teacher", "raw_loss_terms", "weighted_loss_terms"]
    assert figures_in(run) == {f"{name}.{kind}" for name in names}
    assert page.tags["svg"] == len(names)


def test_the_figures_of_the_page_of_a_sweep_are_files_beside_the_page(tmp_path: Path) -> None:
    for number, rate in enumerate((0.1, 0.2)):
        make_run(tmp_path / "sweep" / str(number), f"optim.lr={rate}")
    page = tmp_path / "elsewhere" / "page.html"
    page.parent.mkdir()
    render(tmp_path / "sweep", ReportConfig(figures="pdf", output=str(page)))
    assert figures_in(page.parent) == {"accuracy_on_validation.pdf", "accuracy_on_test.pdf"}


def test_the_figures_of_the_page_of_probes_are_files_too(tmp_path: Path) -> None:
    make_probed_run(tmp_path / "runs" / "0", local=0.5, far=0.3)
    for kind in ("png", "svg"):
        write_probes(tmp_path / kind, find_runs([tmp_path / "runs"]), ["runs"], kind)
    assert figures_in(tmp_path / "png") == set()
    assert figures_in(tmp_path / "svg") == {
        "awareness_by_hop_states_of_the_last_layer_TOY.svg",
        "awareness_by_hop_all_layers_joined_TOY.svg",
        "awareness_by_layer_and_hop_TOY.svg",
        "far_against_local_awareness_TOY.svg",
    }
