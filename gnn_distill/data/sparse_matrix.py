"""Sparse matrices with what their products' gradients need, so that no product has to look at an index."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int32
from scipy.sparse import csr_array
from torch import Tensor

with warnings.catch_warnings():  # PyTorch says it once
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    torch.zeros(1, 1).to_sparse_csr()


@dataclass(frozen=True)
class Rows:
    """A matrix as compressed rows: row r has values[ptr[r]:ptr[r+1]] in these columns."""

    ptr: Int32[Tensor, " rows+1"]
    columns: Int32[Tensor, " entries"]
    values: Float[Tensor, " entries"]

    def __matmul__(self, x: Float[Tensor, "column channel"]) -> Float[Tensor, "row channel"]:
        """The product, without a gradient."""
        return _product(*_parts(self), *_parts(self), x)


@dataclass(frozen=True)
class SparseMatrix:
    """A constant sparse matrix: `matrix @ x` is dense, and differentiable in x."""

    rows: Rows
    transposed: Rows

    @classmethod
    def of(cls, row: Tensor, column: Tensor, values: Tensor, shape: tuple[int, int]) -> SparseMatrix:
        """From entries on the host, sorted by row and without repetition."""
        ptr = np.zeros(shape[0] + 1, dtype=np.int32)
        np.cumsum(np.bincount(row.numpy(), minlength=shape[0]), out=ptr[1:])
        matrix = csr_array((values.float().numpy(), column.numpy().astype(np.int32), ptr), shape=shape)
        turned = matrix.tocsc()
        return cls(*(Rows(*map(torch.from_numpy, (m.indptr, m.indices, m.data))) for m in (matrix, turned)))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return len(self.rows.ptr) - 1, len(self.transposed.ptr) - 1

    def __matmul__(self, x: Float[Tensor, "column channel"]) -> Float[Tensor, "row channel"]:
        """The product, in single precision or that of `x`: CPUs have no sparse product in bf16."""
        x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        return _product(*_parts(self.rows), *_parts(self.transposed), x)

    def to_dense(self) -> Float[Tensor, "row column"]:
        """The matrix with its zeros."""
        return torch.sparse_csr_tensor(*_parts(self.rows), self.shape, check_invariants=False).to_dense()


def _parts(rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
    return rows.ptr, rows.columns, rows.values


@torch.library.custom_op("gnn_distill::sparse_product", mutates_args=())
def _product(
    ptr: Tensor, columns: Tensor, values: Tensor, ptr_t: Tensor, columns_t: Tensor, values_t: Tensor, x: Tensor
) -> Tensor:
    """The product with the first three, whose gradient is one with the other three."""
    shape = (len(ptr) - 1, len(x))
    with torch.autocast(x.device.type, enabled=False):
        return torch.sparse_csr_tensor(ptr, columns, values.to(x.dtype), shape, check_invariants=False) @ x


@_product.register_fake
def _(ptr: Tensor, columns: Tensor, values: Tensor, ptr_t: Tensor, columns_t: Tensor, values_t: Tensor, x: Tensor):
    return x.new_empty(ptr.size(0) - 1, x.size(1))


def _keep(ctx: torch.autograd.function.FunctionCtx, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:6])


def _gradient(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
    saved = ctx.saved_tensors
    return *(None,) * 6, _product(*saved[3:], *saved[:3], gradient.contiguous())


_product.register_autograd(_gradient, setup_context=_keep)
