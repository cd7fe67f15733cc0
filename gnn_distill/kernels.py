"""What makes a CPU do its best at float32 training, and changes no result but for the order of its sums."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
"""Parameters of glibc's mallopt."""


def keep_freed_memory() -> bool:
    """Let glibc keep what tensors free for the next step's tensors, instead of handing it back to the system.

    Every step would have its pages mapped and zeroed anew: a tenth of its time, and more on virtual machines. The peak
    stays what it is. Returns whether there is a glibc that was told so.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    told = [ctypes.CDLL(None).mallopt(key, 2**30) for key in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD)]
    return all(told)


@contextmanager
def products_by_onednn(wanted: bool) -> Iterator[None]:
    """Within it oneDNN computes float32 matrix products, where it is `wanted` and the quicker one.

    It makes a kernel for every shape and keeps a thousand of them: only for models whose shapes repeat. See `Linear`.
    """
    if not wanted or not onednn_is_quicker():
        yield
        return
    backend = torch.backends.mkldnn.matmul
    before = backend.fp32_precision
    backend.fp32_precision = "bf16"
    try:
        yield
    finally:
        backend.fp32_precision = before


@cache
def onednn_is_quicker() -> bool:
    """Whether MKL leaves half of this CPU idle, and oneDNN's products keep all digits of float32.

    MKL keeps its AVX-512 kernels for Intel's CPUs. On AMD's PyTorch reaches oneDNN's by allowing it bfloat16 inside.
    It takes that with matrix units (AMX) only, which these do not have; a product that needs more digits shows that.
    """
    backend = getattr(torch.backends.mkldnn, "matmul", None)  # since PyTorch 2.9
    if not hasattr(backend, "fp32_precision") or not amd_with_avx512():
        return False
    before = backend.fp32_precision
    backend.fp32_precision = "bf16"
    exact = products_are_exact()
    backend.fp32_precision = before
    return exact


class Linear(nn.Linear):
    """A linear map of rows whose number changes from batch to batch: where oneDNN computes it, of a few numbers."""

    ROWS = 128

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 2 or not uses_onednn():
            return super().forward(x)
        return super().forward(F.pad(x, (0, 0, 0, -len(x) % self.ROWS)))[: len(x)]


def uses_onednn() -> bool:
    """Whether this is within `products_by_onednn`, and it has an effect."""
    return onednn_is_quicker() and torch.backends.mkldnn.matmul.fp32_precision == "bf16"


def amd_with_avx512() -> bool:
    """Whether this is such a CPU, without AMX, as far as Linux tells."""
    info = Path("/proc/cpuinfo")
    words = set(info.read_text().split()) if info.exists() else set()
    return {"AuthenticAMD", "avx512f"} <= words and "amx_tile" not in words


def products_are_exact() -> bool:
    """Whether float32 products keep a digit that bfloat16 and TF32 have no room for."""
    digit = 2.0**-14
    ones = torch.ones(256, 256)
    mean = (ones * (1 + digit)) @ ones / len(ones)
    return torch.allclose(mean - 1, torch.tensor(digit), rtol=0.01, atol=0.0)
