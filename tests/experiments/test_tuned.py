"""Which tuned settings a run takes, and what is said where they were chosen on other graphs' test parts."""

from pathlib import Path

import pytest
from hydra import initialize_config_dir

from gnn_distill.config.schema.table import ColumnConfig, RowConfig, TableConfig
from gnn_distill.experiments.studies import write_settings
from gnn_distill.experiments.tuned import describe_overlap, describe_tuned, overlap_line, tuned_file

FOLDS = {"dataset.fold": [0, 1, 2]}
COUNTS = {"dataset.fold=1": (1000, 300, 40), "dataset.fold=2": (1001, 310, 50)}


def table(pairs: dict[str, list[int]]) -> TableConfig:
    rows = {name: RowConfig(name, tuned=name) for name in ("kd", "full")} | {"control": RowConfig("c", tuned="full")}
    return TableConfig("small", rows=rows, columns={"x": ColumnConfig("X", pairs=pairs)})


def write(folder: Path, name: str, pairs: str, counts: dict[str, tuple[int, int, int]] | None = None) -> Path:
    facts = {"trials": 8, "pairs": pairs, "study": f"study of {name}", "finished": "today"}
    facts |= {"overlap": overlap_line(counts)} if counts else {}
    write_settings(folder / "tuned" / "x" / f"{name}.yaml", {"optim.lr": 0.1}, [], facts)
    return folder / "tuned" / "x" / f"{name}.yaml"


def test_test_graphs_that_tuning_read_are_counted(tmp_path: Path) -> None:
    for name in ("kd", "full"):
        write(tmp_path, name, "dataset.fold=0", COUNTS)
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        assert list(describe_overlap(table(FOLDS))) == [
            "X: settings were tuned on dataset.fold=0 and are used on 2 other splits, of whose 2,001 test examples "
            "tuning had 610 in its training and 90 in its validation part."
        ]
        assert not list(describe_overlap(table({"seed": [0, 1]})))
        assert not list(describe_overlap(table({"dataset.fold": [0], "seed": [0, 1]})))


def test_what_was_not_counted_is_said_to_be_unknown(tmp_path: Path) -> None:
    write(tmp_path, "kd", "dataset.fold=0 seed=0, dataset.fold=1 seed=0")
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        assert list(describe_overlap(table(FOLDS | {"seed": [0, 1]}))) == [
            "X: settings were tuned on dataset.fold=0, dataset.fold=1 and are used on 1 other splits; how much of "
            "their test parts tuning had read is not on record."
        ]


def test_settings_that_were_tuned_inside_a_pair_come_first_and_share_nothing(tmp_path: Path) -> None:
    whole = write(tmp_path, "full", "dataset.fold=0", COUNTS)
    inside = [write(tmp_path, f"full-fold{fold}", f"dataset.fold={fold}") for fold in (0, 1)]
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        files = [tuned_file("x", "full", {"dataset.fold": fold}) for fold in (0, 1, 2)]
        assert files == [*inside, whole]
        assert tuned_file("x", "full") == whole
        (note,) = describe_overlap(table(FOLDS))
        assert "on 1 other splits, of whose 1,001 test examples" in note
        (footnote,) = describe_tuned(table(FOLDS))
        assert "full (fold0: 8 trials, study of full-fold0, today; fold1: 8 trials, study of full-fold1" in footnote
        write(tmp_path, "full-fold2", "dataset.fold=2")
        assert not list(describe_overlap(table(FOLDS)))


@pytest.mark.parametrize("column", ["nci1", "mutagenicity", "actor"])
def test_what_the_published_settings_share_with_other_folds_is_on_record(column: str) -> None:
    from gnn_distill.cli.main import CONF_DIR

    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        published = table({"dataset.fold": [0, 1, 2, 3, 4]})
        published.columns = {column: published.columns["x"]}
        (note,) = describe_overlap(published)
    assert "used on 4 other splits, of whose " in note
