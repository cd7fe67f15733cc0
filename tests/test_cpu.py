"""What makes a CPU do its best."""

import math
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gnn_distill import cpu as kernels
from gnn_distill.config.schema.run import TrainerConfig
from gnn_distill.pipeline.runtime import make_fabric
from gnn_distill.storage.provenance import environment


@pytest.fixture
def amd(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A CPU that is said to be AMD's, whatever it is."""
    if not hasattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision"):
        pytest.skip("this PyTorch has no such setting")
    monkeypatch.setattr(kernels, "amd_with_avx512", lambda: True)
    kernels.onednn_is_faster.cache_clear()
    yield
    kernels.onednn_is_faster.cache_clear()


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
        assert not kernels.Linear.padded
        assert setting() == before


def test_it_is_taken_where_wanted_and_exact(amd: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "products_are_exact", lambda: True)
    with kernels.products_by_onednn(False):
        assert not kernels.Linear.padded
    with kernels.products_by_onednn(True):
        assert kernels.Linear.padded
    assert not kernels.Linear.padded


def test_other_cpus_are_left_alone(amd: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "amd_with_avx512", lambda: False)
    with kernels.products_by_onednn(True):
        assert not kernels.Linear.padded


@pytest.mark.parametrize("rows", [1, 127, 128, 300])
def test_rows_that_are_filled_up_change_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = kernels.Linear(5, 3), torch.randn(rows, 5, requires_grad=True)
    plain = layer(x)
    expected = torch.autograd.grad(plain.square().sum(), [x, *layer.parameters()])
    monkeypatch.setattr(kernels.Linear, "padded", True)
    filled = layer(x)
    torch.testing.assert_close(filled, plain)
    found = torch.autograd.grad(filled.square().sum(), [x, *layer.parameters()])
    for mine, its in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, its)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_kept() -> None:
    assert kernels.keep_freed_memory()


CGROUPS = {
    # What /proc/self/cgroup holds, the files of the groups, and how many CPUs they allow.
    "none": ("", {}, math.inf),
    "version 2, no limit": ("0::/job\n", {"job/cpu.max": "max 100000\n"}, math.inf),
    "version 2, a group above": (
        "0::/slurm/job/step\n",
        {"slurm/job/step/cpu.max": "max 100000\n", "slurm/job/cpu.max": "350000 100000\n", "cpu.max": "800000 100000"},
        3.5,
    ),
    "version 2, a container": ("0::/\n", {"cpu.max": "200000 100000\n"}, 2.0),
    "version 1": (
        "5:cpuset:/\n4:cpu,cpuacct:/job\n1:name=systemd:/job\n",
        {"cpu/job/cpu.cfs_quota_us": "150000\n", "cpu/job/cpu.cfs_period_us": "50000\n"},
        3.0,
    ),
    "version 1, no limit": (
        "4:cpuacct,cpu:/job\n",
        {"cpu/job/cpu.cfs_quota_us": "-1\n", "cpu/job/cpu.cfs_period_us": "100000\n"},
        math.inf,
    ),
    "version 1, a container": (
        "4:cpu,cpuacct:/docker/0123\n",
        {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"},
        1.0,
    ),
}


@pytest.mark.parametrize(("groups", "files", "cpus"), CGROUPS.values(), ids=CGROUPS)
def test_the_quota_of_cgroups(groups: str, files: dict[str, str], cpus: float, tmp_path: Path) -> None:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text(groups)
    for name, text in files.items():
        file = tmp_path / "sys" / "fs" / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert kernels.cpu_quota(tmp_path) == cpus


@pytest.mark.parametrize(("quota", "usable"), [(math.inf, 4), (8.0, 4), (2.9, 2), (0.5, 1)])
def test_threads_are_those_that_this_process_may_use(
    quota: float, usable: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    if hasattr(os, "process_cpu_count"):
        monkeypatch.setattr(os, "process_cpu_count", lambda: 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(kernels, "cpu_quota", lambda: quota)
    assert environment("cpu")["cpus"] == usable
    for told, threads in {
        None: usable,
        "1": 1,
        "99": usable,
        "2,4": min(2, usable),
        "all": usable,
        "0": usable,
    }.items():
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if told:
            monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert threads_of(TrainerConfig()) == threads, told
    assert threads_of(TrainerConfig(threads=3)) == 3
    assert threads_of(TrainerConfig(), begun_with=2) == min(2, usable), "a run that goes on keeps its threads"


def threads_of(trainer: TrainerConfig, begun_with: int = 0) -> int:
    """How many a run of these settings computes with."""
    before = torch.get_num_threads()
    try:
        make_fabric(trainer, begun_with)
        return torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
