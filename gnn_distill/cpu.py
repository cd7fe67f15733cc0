"""Settings for fast float32 training on a CPU; they change no result but for the order of its sums."""

import ctypes
import math
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor, nn
from torch.nn import functional as F

M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
"""Parameters of glibc's mallopt."""


def default_threads() -> int:
    """Number of CPU threads if a config sets none: OMP_NUM_THREADS if set, but no more than `usable_cpus`."""
    threads = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a list has one number per nesting level
    usable = usable_cpus()
    return min(int(threads), usable) if threads.isdecimal() and int(threads) else usable


def usable_cpus() -> int:
    """Number of CPUs that this process may use, at least 1: its affinity, limited by its cgroups, rounded down."""
    if hasattr(os, "process_cpu_count"):  # since Python 3.13
        count = os.process_cpu_count()
    else:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, int(min(count or 1, cpu_quota())))


def cpu_quota(root: Path = Path("/")) -> float:
    """CPU seconds per second that this process's cgroups (version 1 or 2) allow; infinite without a limit."""
    groups = root / "proc" / "self" / "cgroup"
    limits = [math.inf]
    for line in groups.read_text().splitlines() if groups.exists() else []:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / "sys" / "fs" / "cgroup" / ("cpu" if controllers else "")
        # A container may see its own group as the root of the mount, whatever its path is called outside.
        for path in (PurePosixPath(group), *PurePosixPath(group).parents):
            limits.append(_quota_of(mount / str(path).lstrip("/")))
    return min(limits)


def _quota_of(folder: Path) -> float:
    """Quota divided by period of one cgroup."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):  # "max", or no such files
        return math.inf


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next step's tensors, instead of returning it to the system.

    Otherwise the pages of every step are mapped and zeroed again: a tenth of its time, and more on virtual machines.
    The peak stays the same. Returns whether glibc accepted the setting.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    accepted = [ctypes.CDLL(None).mallopt(key, 2**30) for key in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD)]
    return all(accepted)


@contextmanager
def products_by_onednn(enabled: bool) -> Iterator[None]:
    """Within it oneDNN computes float32 matrix products, if `enabled` and faster on this CPU.

    It compiles a kernel for every shape and keeps a thousand: only for models whose shapes repeat. See `Linear`.
    """
    if not enabled or not onednn_is_faster():
        yield
        return
    backend = torch.backends.mkldnn.matmul
    before = backend.fp32_precision, Linear.padded
    backend.fp32_precision, Linear.padded = "bf16", True
    try:
        yield
    finally:
        backend.fp32_precision, Linear.padded = before


@cache
def onednn_is_faster() -> bool:
    """Whether oneDNN is faster than MKL on this CPU, with products that keep all digits of float32.

    MKL uses its AVX-512 kernels on Intel CPUs only. On AMD CPUs PyTorch reaches oneDNN's by allowing bfloat16 inside.
    oneDNN uses it only with matrix units (AMX), which these CPUs lack; a product that needs more digits checks that.
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
    """A linear map of rows whose number changes from batch to batch; for oneDNN they are padded to few sizes."""

    ROWS = 128
    """The number of rows is padded to a multiple of this."""

    padded = False
    """Whether the caller is within `products_by_onednn`, and that has an effect."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 2 or not Linear.padded or x.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(x)
        return super().forward(F.pad(x, (0, 0, 0, -len(x) % self.ROWS)))[: len(x)]


def amd_with_avx512() -> bool:
    """Whether this is an AMD CPU with AVX-512 and without AMX, according to /proc/cpuinfo."""
    info = Path("/proc/cpuinfo")
    words = set(info.read_text().split()) if info.exists() else set()
    return {"AuthenticAMD", "avx512f"} <= words and "amx_tile" not in words


def products_are_exact() -> bool:
    """Whether float32 products keep a digit that bfloat16 and TF32 cannot represent."""
    digit = 2.0**-14
    ones = torch.ones(256, 256)
    mean = (ones * (1 + digit)) @ ones / len(ones)
    return torch.allclose(mean - 1, torch.tensor(digit), rtol=0.01, atol=0.0)
