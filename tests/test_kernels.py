"""What makes a CPU do its best."""

import platform

import pytest
import torch

from gnn_distill import kernels


@pytest.fixture
def products():
    """The setting of matrix products, put back at the end."""
    backend = getattr(torch.backends.mkldnn, "matmul", None)
    if not hasattr(backend, "fp32_precision"):
        pytest.skip("this PyTorch has no such setting")
    before = backend.fp32_precision
    yield backend
    backend.fp32_precision = before


def test_products_keep_the_digits_of_float32(products) -> None:
    kernels.products_by_onednn()
    assert kernels.products_are_exact()
    a, b = torch.randn(300, 200), torch.randn(200, 100)
    torch.testing.assert_close(a @ b, (a.double() @ b.double()).float(), rtol=1e-5, atol=1e-4)


def test_what_rounds_is_found(monkeypatch) -> None:
    assert kernels.products_are_exact()
    matmul = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: matmul(a.bfloat16(), b.bfloat16()).float())
    assert not kernels.products_are_exact()


def test_where_products_would_be_rounded_the_setting_is_put_back(products, monkeypatch) -> None:
    products.fp32_precision = "ieee"
    monkeypatch.setattr(kernels, "amd_with_avx512", lambda: True)
    monkeypatch.setattr(kernels, "products_are_exact", lambda: False)
    assert not kernels.products_by_onednn()
    assert products.fp32_precision == "ieee"


def test_other_cpus_are_left_alone(products, monkeypatch) -> None:
    products.fp32_precision = "ieee"
    monkeypatch.setattr(kernels, "amd_with_avx512", lambda: False)
    assert not kernels.products_by_onednn()
    assert products.fp32_precision == "ieee"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_kept() -> None:
    assert kernels.keep_freed_memory()
