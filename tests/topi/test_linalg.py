import numpy as np
import pytest

from tests.topi.evaluator import check, given
from tilewright import topi
from tilewright.support.errors import ArgumentError

rng = np.random.default_rng(4)


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
def test_matmul(ta, tb):
    a, b = rng.random((3, 4)), rng.random((4, 5))
    check(
        lambda x, y: topi.matmul(x, y, ta, tb),
        lambda x, y: (x.T if ta else x) @ (y.T if tb else y),
        np.ascontiguousarray(a.T) if ta else a,
        np.ascontiguousarray(b.T) if tb else b,
    )


def test_matmul_checks_and_empty_reduction():
    with pytest.raises(ArgumentError, match="3 and 4"):
        topi.matmul(given(np.zeros((2, 3))), given(np.zeros((4, 2))))
    check(topi.matmul, np.matmul, np.zeros((2, 0)), np.zeros((0, 3)))


@pytest.mark.parametrize("axes", [1, 2, 0, ([1, 0], [0, 1]), ([2], [1])])
def test_tensordot(axes):
    a, b = rng.random((2, 3, 3)), rng.random((3, 3, 2))
    if axes == ([1, 0], [0, 1]):
        b = rng.random((3, 2, 2))
    check(lambda x, y: topi.tensordot(x, y, axes), lambda x, y: np.tensordot(x, y, axes), a, b)


EINSUMS = [
    ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 4)]), ("ii->i", [(3, 3)]),
    ("ii", [(3, 3)]), ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]), ("ij->ji", [(2, 3)]),
    ("i,j,k->ijk", [(2,), (3,), (4,)]), ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
    ("ij->", [(2, 3)]), ("bhqd,bhkd->bhqk", [(1, 2, 3, 4), (1, 2, 5, 4)]),
    ("i...->...", [(2, 3)]), ("ij,ij->ij", [(2, 3), (2, 3)]),
]  # fmt: skip


@pytest.mark.parametrize("text, shapes", EINSUMS)
def test_einsum(text, shapes):
    arrays = [rng.random(s) for s in shapes]
    check(lambda *t: topi.einsum(text, *t), lambda *v: np.asarray(np.einsum(text, *v)), *arrays,
          shapes=("static",))  # fmt: skip


def test_einsum_of_symbolic_shapes_and_errors():
    a, b = rng.random((2, 3)), rng.random((3, 4))
    check(lambda *t: topi.einsum("ij,jk->ik", *t), np.matmul, a, b, shapes=("symbolic",))
    with pytest.raises(ArgumentError, match="einsum"):
        topi.einsum("ij->i", given(a), given(b))
    with pytest.raises(ArgumentError, match="einsum"):
        topi.einsum("ij->z", given(a))


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_cumsum(axis, exclusive, reverse):
    a = rng.random((3, 4, 2)).astype("float32")

    def reference(v):
        if axis is None:
            v = v.reshape(-1)
        v = np.moveaxis(v, axis or 0, 0)
        v = v[::-1] if reverse else v
        total = np.cumsum(v, 0)
        total = total - v if exclusive else total
        return np.moveaxis(total[::-1] if reverse else total, 0, axis or 0)

    check(lambda t: topi.cumsum(t, axis, None, exclusive, reverse), reference, a, rtol=1e-5)


def test_cumprod_and_types():
    a = rng.random((3, 4)).astype("float16")
    check(lambda t: topi.cumprod(t, 1), lambda v: np.cumprod(v.astype("float32"), 1).astype("f2"),
          a, rtol=1e-3)  # fmt: skip
    flags = rng.random((5,)) < 0.5
    check(lambda t: topi.cumsum(t, 0), lambda v: np.cumsum(v, dtype="int32"), flags)
    check(lambda t: topi.cumsum(t, 0), lambda v: v, np.zeros((0, 3)))
