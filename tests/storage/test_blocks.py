"""Large arrays lie in a file that is gone by its name, small ones in memory; both are zeros that can be written."""

from pathlib import Path

import pytest
import torch

from gnn_distill.errors import UserError
from gnn_distill.storage import blocks


@pytest.mark.parametrize("large", [0, 1 << 30])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_zeros_can_be_written_in_any_order(
    large: int, dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LARGE", large)
    array = blocks.zeros(tmp_path, (5, 3), dtype)
    assert (array.shape, array.dtype, array.count_nonzero()) == ((5, 3), dtype, 0)
    array[torch.tensor([4, 1])] = torch.tensor([[1.0], [2.0]], dtype=dtype).expand(2, 3)
    assert array[:, 0].tolist() == [0, 2, 0, 0, 1]
    assert [*tmp_path.iterdir()] == []


def test_a_full_disk_is_an_error_not_the_end_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(UserError, match="No space left on device"):
        blocks.zeros(tmp_path, (blocks.LARGE,), torch.uint8)
    assert [*tmp_path.iterdir()] == []
