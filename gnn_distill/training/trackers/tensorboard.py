"""TensorBoard: event files in the run's folder, by its own writer, which needs neither torch nor TensorFlow."""

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gnn_distill.training.tracker import TrackedRun, Tracker, flat, scores_of, short

TITLE = "TensorBoard"
FOLDER = "tensorboard"
MOST_ROWS = 50
"""Longer tables are left out: here they are texts."""


class TensorBoardTracker(Tracker):
    """The event file of one process of a run; the step of every value is its epoch."""

    def __init__(self, run: TrackedRun) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder = Path(run.folder) / FOLDER
        self.where = shlex.join(["tensorboard", "--logdir", short(folder)])
        self._event, self._summary = Event, Summary
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventFileWriter(str(folder), max_queue_size=1000, flush_secs=5)
        if run.resumed:  # what earlier files hold from step 0 on is void: all epochs are written once more
            session = SessionLog(status=SessionLog.START)
            self._writer.add_event(Event(wall_time=time.time(), step=0, session_log=session))
        settings = {key: _plain(value) for key, value in flat(run.config, ".").items()}
        self._add(0, hparams_pb(settings, trial_id=run.id or run.name))

    def log(self, stage: str, row: Mapping[str, float]) -> None:
        """A scalar each, in single precision, as in student/val/accuracy."""
        values = {f"{stage}/{key}": value for key, value in row.items() if key != "epoch"}
        self._scalars(int(row["epoch"]), values)

    def restore(self, stage: str, rows: Sequence[Mapping[str, float]]) -> None:
        """All of them: earlier files are void."""
        for row in rows:
            self.log(stage, row)

    def summary(self, values: Mapping[str, Any]) -> None:
        """The metrics of all models, which are the metrics of the settings, too."""
        self._scalars(0, {f"summary/{key}": value for key, value in scores_of(values).items()})

    def image(self, key: str, path: str) -> None:
        """The PNG file as it is."""
        from PIL import Image

        with Image.open(path) as picture:
            width, height = picture.size
        image = self._summary.Image(height=height, width=width, encoded_image_string=Path(path).read_bytes())
        self._add(0, self._summary(value=[self._summary.Value(tag=key, image=image)]))

    def table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A short table as a text in Markdown."""
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
        from tensorboard.compat.proto.types_pb2 import DT_STRING
        from tensorboard.plugins.text.metadata import create_summary_metadata

        if len(rows) > MOST_ROWS:
            return
        lines = [columns, ["---"] * len(columns), *(["" if cell is None else cell for cell in row] for row in rows)]
        text = "\n".join(f"| {' | '.join(str(cell).replace('|', '¦') for cell in line)} |" for line in lines)
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()], tensor_shape=shape)
        metadata = create_summary_metadata(display_name="", description="")
        self._add(0, self._summary(value=[self._summary.Value(tag=key, metadata=metadata, tensor=tensor)]))

    def finish(self, completed: bool = True) -> None:
        """Close the file."""
        self._writer.close()

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        found = [self._summary.Value(tag=key, simple_value=value) for key, value in values.items()]
        self._add(step, self._summary(value=found))

    def _add(self, step: int, summary: Any) -> None:
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=summary))


def start(config: SimpleNamespace, run: TrackedRun) -> TensorBoardTracker:
    """Beside the run's other files."""
    return TensorBoardTracker(run)


def _plain(value: Any) -> bool | int | float | str:
    """A setting as TensorBoard knows it; lists and null as JSON."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
