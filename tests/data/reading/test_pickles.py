import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_matrix

from gnn_distill.data.reading.pickles import read_pickle
from gnn_distill.errors import UserError


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_in_lists_and_dicts(protocol: int, tmp_path: Path) -> None:
    stored = {"train": np.arange(5), "more": [np.eye(2, dtype=np.float32), "text", 3.5, None]}
    (tmp_path / "file").write_bytes(pickle.dumps(stored, protocol))
    read = read_pickle(tmp_path / "file")
    assert read["train"].tolist() == [0, 1, 2, 3, 4]
    assert read["more"][0].tolist() == [[1, 0], [0, 1]]
    assert read["more"][1:] == ["text", 3.5, None]


class Evil:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("was_here",)


@pytest.mark.parametrize(
    ("thing", "named"),
    [(Evil(), "mkdir"), (OrderedDict(a=1), "collections.OrderedDict"), (coo_matrix(np.eye(2)), "coo_matrix")],
)
def test_anything_else_is_refused_and_not_run(
    thing: object, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(pickle.dumps([np.arange(3), thing], protocol=4))
    with pytest.raises(UserError, match=rf"file: this pickle would run .*{named}, so it is refused"):
        read_pickle(tmp_path / "file")
    assert not Path("was_here").exists()
