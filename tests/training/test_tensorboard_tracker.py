"""TensorBoard's event files, read by TensorBoard."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tracked

pytest.importorskip("tensorboard", reason="the extra .[tensorboard] is not installed")


def read(folder: Path) -> Any:
    """All that the event files of a run hold."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder / "tensorboard")).Reload()


def points(found: Any, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in found.Scalars(tag)]


def expected(stage: str, key: str) -> list[tuple[int, float]]:
    """To the last digit of single precision."""
    last = {"teacher": 3, "student": 5}[stage]
    return [(row["epoch"], float(np.float32(row[key]))) for row in tracked.rows(1, last)]


@pytest.mark.parametrize("resumed", [False, True])
def test_every_epoch_is_there_once_at_its_step(tmp_path: Path, resumed: bool) -> None:
    warnings: list[str] = []
    if resumed:
        tracked.killed(tmp_path, "tensorboard", warnings.append)
        assert points(read(tmp_path), "student/lr") == expected("student", "lr")[:2]
    where = tracked.whole(tmp_path, "tensorboard", warnings.append, resumed)
    assert warnings == []
    assert where.startswith("TensorBoard: tensorboard --logdir ")
    found = read(tmp_path)
    for stage in ("teacher", "student"):
        for key in ("lr", "val/accuracy"):
            np.testing.assert_array_equal(points(found, f"{stage}/{key}"), expected(stage, key))
    assert points(found, "summary/student/test/accuracy") == [(0, float(np.float32(2 / 3)))]
    assert set(found.Tags()["scalars"]) == {
        *("teacher/lr", "teacher/val/accuracy", "student/lr", "student/val/accuracy"),
        *("summary/student/val/accuracy", "summary/student/test/accuracy"),
    }
    (image,) = found.Images("loss")
    assert image.encoded_image_string == (tmp_path / "loss.png").read_bytes()
    (text,) = found.Tensors("scores")
    assert text.tensor_proto.string_val[0].decode().splitlines() == [
        *("| model | score |", "| --- | --- |", "| a¦b | 0.5 |", "| c |  |")
    ]


def test_settings_are_hyperparameters(tmp_path: Path) -> None:
    from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data

    tracked.whole(tmp_path, "tensorboard", print)
    content = read(tmp_path).summary_metadata["_hparams_/session_start_info"].plugin_data.content
    told = parse_session_start_info_plugin_data(content).hparams
    assert told["optim.lr"].number_value == 1e-3
    assert told["alone"].bool_value is True
    assert (told["fanout"].string_value, told["none"].string_value) == ("[10, 10]", "null")
    assert told["long"].string_value == tracked.LONG


def test_a_folder_that_cannot_be_written_costs_one_warning(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").touch()  # a file where a folder should be: not even root can write there
    warnings: list[str] = []
    assert tracked.whole(tmp_path, "tensorboard", warnings.append) == ""
    (warning,) = warnings
    assert warning.startswith("TensorBoard stopped (FileExistsError: ")
