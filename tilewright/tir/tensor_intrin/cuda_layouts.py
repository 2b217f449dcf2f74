"""Which thread of a warp holds which element of a matrix, and where: for `ldmatrix` and `mma`.

The maps follow the tables of fragments in the PTX ISA, "Matrix multiply-accumulate operations".
`shared_RxC_to_ldmatrix_TxL` takes row and column to thread and place, the others back.
"""

from __future__ import annotations

from typing import Any

Pair = tuple[Any, Any]


def shared_16x16_to_ldmatrix_32x8_layout(i: Any, j: Any) -> Pair:
    """Four 8x8 matrices of 16 bits; a thread holds two neighbours in a row of each."""
    return 4 * (i % 8) + (j % 8) // 2, 4 * (j // 8) + (i // 8) * 2 + (j % 2)


def shared_16x32_to_ldmatrix_32x16_layout(i: Any, j: Any) -> Pair:
    """Four 8x16 matrices of bytes; a thread holds four neighbours in a row of each."""
    return 4 * (i % 8) + (j % 16) // 4, 8 * (j // 16) + (i // 8) * 4 + j % 4


def shared_32x16_to_ldmatrix_32x16_layout(i: Any, j: Any) -> Pair:
    """Four 16x8 matrices of bytes; a thread holds four neighbours in a column of each."""
    return (i % 16) // 4 + 4 * (j % 8), 8 * (j // 8) + (i // 16) * 4 + i % 4


def ldmatrix_32x8_to_shared_16x16_layout(thread_id: Any, local_id: Any) -> Pair:
    """The inverse of `shared_16x16_to_ldmatrix_32x8_layout`."""
    row = 8 * (local_id % 4 // 2) + thread_id // 4
    return row, 8 * (local_id // 4) + thread_id % 4 * 2 + local_id % 2


def ldmatrix_32x16_to_shared_16x32_layout_a(thread_id: Any, local_id: Any) -> Pair:
    """The inverse of `shared_16x32_to_ldmatrix_32x16_layout`."""
    row = thread_id // 4 + 8 * (local_id % 8 // 4)
    return row, thread_id % 4 * 4 + 16 * (local_id // 8) + local_id % 4


def ldmatrix_32x16_to_shared_16x32_layout_b(thread_id: Any, local_id: Any) -> Pair:
    """The places of a transposed right side: columns of eight after one another."""
    row = thread_id // 4 + 8 * (local_id // 8)
    return row, thread_id % 4 * 4 + 16 * (local_id % 8 // 4) + local_id % 4


def ldmatrix_32x4_to_shared_16x8_layout_a(thread_id: Any, local_id: Any) -> Pair:
    """The left side of a product of 32 bits with depth 8."""
    return 8 * (local_id % 2) + thread_id // 4, 4 * (local_id // 2) + thread_id % 4


def mma_store_32x8_to_shared_16x16_layout(thread_id: Any, local_id: Any) -> Pair:
    """Where the accumulators of a thread are in the result."""
    return ldmatrix_32x8_to_shared_16x16_layout(thread_id, local_id)
