"""`gnn_distill.distill`: a run with models and graphs that are at hand in Python."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from gnn_distill.api import given_student
from gnn_distill.api.composing import Overrides, composed, words_of
from gnn_distill.api.given import Given, giving, identity_of
from gnn_distill.api.given import teacher as given_teacher
from gnn_distill.api.isolation import isolated
from gnn_distill.api.results import Run
from gnn_distill.config.quoting import for_hydra
from gnn_distill.errors import UserError, check_name
from gnn_distill.pipeline.run import train_in

CONF = Path(__file__).parent / "conf"
PARTS = ("train", "val", "test")
TARGET = f"{given_teacher.__module__}.{given_teacher.__name__}"


def distill(
    teacher: nn.Module | str | None,
    student: nn.Module | str,
    graphs: Sequence[Data] | Data,
    targets: Any = None,
    *,
    splits: Mapping[str, Any] | None = None,
    kind: str | None = None,
    train_teacher: bool = False,
    name: str = "given",
    overrides: Overrides = (),
    folder: str | Path | None = None,
    progress: bool = True,
) -> Run:
    """Distil a teacher into a student on graphs of your own, without a file of settings.

    teacher: your PyG module, trained already, or with train_teacher=True trained here; called by the names of its
    arguments, as docs/extending.md says of teacher=custom; or the name of a built-in one; or None.
    student: the name of a built-in one, such as "gps"; or a module of your own, any PyG module, or one that maps a
    GraphBatch to Representations.
    graphs: a list of PyG graphs, with a label each, or one graph whose nodes have labels.
    targets: [graphs], [graphs, targets] or [nodes]; None: their `y`. Of whole numbers they are classes, from 0.
    splits: ids of graphs, or nodes, by train, val and test; None: masks of the one graph, else seeded.
    kind: binary, multiclass, multilabel or regression; None: as the targets look. name: of the data, for messages.
    overrides, folder, progress: as of `train`.

    Neither module is changed. A teacher that has seen test graphs makes all scores too good.

    Raises:
        UserError: for anything that the caller can correct.
    """
    check_name("name", name, "a folder's name")
    given = Given(
        teacher=teacher if isinstance(teacher, nn.Module) else None,
        student=student if isinstance(student, nn.Module) else None,
        graphs=graphs if isinstance(graphs, Data) else list(graphs),
        targets=_targets(graphs, targets),
        splits=_splits(splits),
        kind=kind,
    )
    words = [*_words_of_data(given, name), *_words_of_student(given, student)]
    otherwise = f"outputs/distill/{datetime.now():%Y-%m-%d_%H-%M-%S}_{name}"
    with isolated(progress), giving(given), TemporaryDirectory() as weights:
        words += _words_of_teacher(given, teacher, train_teacher, Path(weights))
        try:
            with composed([*words, *words_of(overrides)], folder, [CONF], otherwise) as (cfg, place):
                train_in(place, cfg)
        except UserError as error:
            raise _named(error, given) from error.__cause__
    return Run.load(place, student=given.student)


def _words_of_data(given: Given, name: str) -> list[str]:
    level = "nodes" if isinstance(given.graphs, Data) else "graphs"
    kwargs = "" if given.student is None else f"student: '{identity_of(given.student)}'"
    return [f"dataset=given_{level}", f"dataset.name={for_hydra(name)}", f"dataset.kwargs={{{kwargs}}}"]


def _words_of_student(given: Given, student: nn.Module | str) -> list[str]:
    if given.student is None:
        return [f"student={student}"]
    # A preset chooses encodings, too: a module of your own reads none.
    return ["student=sgformer", "encoding=none", f"student.name={given_student.__name__}"]


def _words_of_teacher(given: Given, teacher: nn.Module | str | None, train_teacher: bool, folder: Path) -> list[str]:
    if given.teacher is None:
        return [f"teacher={teacher or 'none'}", *([] if teacher else ["loss=task", "alignment=none"])]
    identity = f"teacher.kwargs={{identity: '{identity_of(given.teacher)}'}}"
    words = ["teacher=custom", f"teacher.target={TARGET}", identity]
    if train_teacher:
        return words
    file = folder / "teacher.pt"
    torch.save(given.teacher.state_dict(), file)
    return [*words, f"teacher.checkpoint={for_hydra(file)}"]


def _targets(graphs: Sequence[Data] | Data, targets: Any) -> Tensor:
    """Targets as a tensor. Raises UserError if there are none, or not one for each graph or node."""
    one = isinstance(graphs, Data)
    if not one and not (len(graphs) and all(isinstance(graph, Data) for graph in graphs)):
        raise UserError("graphs: must be one PyG Data, or a list of them.")
    count, what = (graphs.num_nodes, "nodes") if one else (len(graphs), "graphs")
    if targets is None:
        known = [graphs.y] if one else [graph.y for graph in graphs]
        if any(y is None for y in known):
            raise UserError(f"targets: are missing, and so is y of the {what}. Give one row for each.")
        targets = known[0] if one else torch.stack([y.reshape(-1) for y in known])
    values = targets if isinstance(targets, Tensor) else torch.as_tensor(np.asarray(targets))
    values = values.long() if values.dtype == torch.bool else values
    if len(values) != count:
        raise UserError(f"targets: {len(values)} rows for {count} {what}. Give one for each.")
    return values


def _splits(splits: Mapping[str, Any] | None) -> dict[str, Tensor]:
    """Ids by part, sorted. Raises UserError unless all three parts are there."""
    if splits is None:
        return {}
    if {*splits} != {*PARTS}:
        raise UserError(f"splits: has {', '.join(map(str, splits)) or 'nothing'}. Give ids of {', '.join(PARTS)}.")
    parts = {part: torch.as_tensor(np.asarray(ids)) for part, ids in splits.items()}
    ids = {part: ids.nonzero().flatten() if ids.dtype == torch.bool else ids.long() for part, ids in parts.items()}
    return {part: ids[part].sort().values for part in PARTS}


def _named(error: UserError, given: Given) -> UserError:
    """An error whose words name the caller's modules, not how they are looked up."""
    text = str(error).replace(f"teacher.target={TARGET}", f"teacher {type(given.teacher).__name__}")
    return UserError(text.replace(f"student.name={given_student.__name__}", f"student {type(given.student).__name__}"))
