"""What makes a CPU do its best."""

import platform
from collections.abc import Iterator

import pytest
import torch

from gnn_distill import kernels


@pytest.fixture
def amd(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A CPU that is said to be AMD's, whatever it is."""
    if not hasattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision"):
        pytest.skip("this PyTorch has no such setting")
    monkeypatch.setattr(kernels, "amd_with_avx512", lambda: True)
    kernels.onednn_is_quicker.cache_clear()
    yield
    kernels.onednn_is_quicker.cache_clear()


def setting() -> str | None:
    """Of matrix products, where there is one."""
    return getattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision", None)


def test_products_keep_the_digits_of_float32_and_the_setting_is_put_back() -> None:
    before = setting()
    a, b = torch.randn(300, 200), torch.randn(200, 100)
    with kernels.products_by_onednn(True):
        assert kernels.products_are_exact()
        torch.testing.assert_close(a @ b, (a.double() @ b.double()).float(), rtol=1e-5, atol=1e-4)
    assert setting() == before


def test_what_rounds_is_found_and_not_taken(amd: None, monkeypatch: pytest.MonkeyPatch) -> None:
    matmul, before = torch.Tensor.__matmul__, setting()
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: matmul(a.bfloat16(), b.bfloat16()).float())
    assert not kernels.products_are_exact()
    with kernels.products_by_onednn(True):
        assert not kernels.uses_onednn()
        assert setting() == before


def test_it_is_taken_where_wanted_and_exact(amd: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "products_are_exact", lambda: True)
    with kernels.products_by_onednn(False):
        assert not kernels.uses_onednn()
    with kernels.products_by_onednn(True):
        assert kernels.uses_onednn()
    assert not kernels.uses_onednn()


def test_other_cpus_are_left_alone(amd: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "amd_with_avx512", lambda: False)
    with kernels.products_by_onednn(True):
        assert not kernels.uses_onednn()


@pytest.mark.parametrize("rows", [1, 127, 128, 300])
def test_rows_that_are_filled_up_change_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = kernels.Linear(5, 3), torch.randn(rows, 5, requires_grad=True)
    plain = layer(x)
    expected = torch.autograd.grad(plain.square().sum(), [x, *layer.parameters()])
    monkeypatch.setattr(kernels, "uses_onednn", lambda: True)
    filled = layer(x)
    torch.testing.assert_close(filled, plain)
    found = torch.autograd.grad(filled.square().sum(), [x, *layer.parameters()])
    for mine, its in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, its)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_kept() -> None:
    assert kernels.keep_freed_memory()
