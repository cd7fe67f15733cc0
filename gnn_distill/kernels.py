"""What makes a CPU do its best at float32 training, and changes no result but for the order of its sums."""

import ctypes
import platform
from pathlib import Path

import torch

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


def products_by_onednn() -> bool:
    """Have oneDNN compute float32 matrix products where MKL leaves half of the CPU idle; returns whether it does.

    MKL keeps its AVX-512 kernels for Intel's CPUs. On AMD's PyTorch reaches oneDNN's by allowing it bfloat16 inside.
    It takes that with matrix units (AMX) only, which these do not have; a product that needs more digits shows that.
    """
    backend = getattr(torch.backends.mkldnn, "matmul", None)  # since PyTorch 2.9
    if not hasattr(backend, "fp32_precision") or not amd_with_avx512():
        return False
    before = backend.fp32_precision
    backend.fp32_precision = "bf16"
    if not products_are_exact():
        backend.fp32_precision = before
    return uses_onednn()


def uses_onednn() -> bool:
    """Whether `products_by_onednn` took effect: sums in another order, so the last digits are others."""
    return getattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision", None) == "bf16"


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
