import ml_dtypes
import numpy as np
import pytest

from tests.topi.evaluator import check
from tilewright import topi

rng = np.random.default_rng(5)
A = rng.standard_normal((3, 4, 5)).astype("float32")
AXES = [None, 0, -1, (0, 2), (), (0, 1, 2)]


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean"])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(name, axis, keepdims):
    check(
        lambda t: getattr(topi, name)(t, axis, keepdims),
        lambda v: np.asarray(getattr(np, name)(v, axis=axis, keepdims=keepdims)),
        A,
        rtol=1e-5,
    )


@pytest.mark.parametrize("name", ["all", "any"])
@pytest.mark.parametrize("axis", AXES)
def test_logic(name, axis):
    a = rng.random((3, 4, 5)) < 0.7
    check(
        lambda t: getattr(topi, name)(t, axis), lambda v: np.asarray(getattr(np, name)(v, axis)), a
    )


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_extremes(name, axis, keepdims):
    a = rng.integers(0, 3, (3, 4, 5)).astype("int64")
    check(lambda t: getattr(topi, name)(t, axis, keepdims),
          lambda v: np.asarray(getattr(np, name)(v, axis, keepdims=keepdims)), a)  # fmt: skip
    last = 0 if axis is None else a.shape[axis] - 1
    if axis is not None:
        check(
            lambda t: getattr(topi, name)(t, axis, keepdims, True),
            lambda v: last - getattr(np, name)(np.flip(v, axis), axis, keepdims=keepdims),
            a,
        )


def test_extremes_of_infinities():
    check(lambda t: topi.argmax(t, 0), lambda v: np.argmax(v, 0), np.full((3,), -np.inf))
    check(lambda t: topi.argmin(t, 0), lambda v: np.argmin(v, 0), np.array([np.inf, np.inf]))
    check(lambda t: topi.max(t, 0), lambda v: np.max(v, 0), np.full((3,), -np.inf))


def test_nothing_is_reduced_to_the_identity():
    empty = np.zeros((0, 3), "float32")
    check(lambda t: topi.sum(t, 0), lambda v: v.sum(0), empty)
    check(lambda t: topi.max(t, 0), lambda v: np.full(3, -np.inf, "float32"), empty)
    check(lambda t: topi.prod(t, 1), lambda v: v.prod(1), empty)


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16])
def test_narrow_floats_are_summed_in_float32(dtype):
    a = np.full((4096,), 1.0, dtype)
    check(lambda t: topi.sum(t), lambda v: np.asarray(4096.0, dtype), a)
    check(lambda t: topi.mean(t), lambda v: np.asarray(1.0, dtype), a)


@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp(axis, keepdims):
    check(
        lambda t: topi.logsumexp(t, axis, keepdims),
        lambda v: np.asarray(np.log(np.exp(v).sum(axis, keepdims=keepdims))),
        A,
        rtol=1e-5,
    )
    big = np.array([1000.0, 1000.0], "float32")
    check(lambda t: topi.logsumexp(t, 0), lambda v: np.float32(1000 + np.log(2)), big)


@pytest.mark.parametrize("axis", [0, 1, -1, None, (0, 2)])
@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_place_of_an_extreme(name, axis, keepdims):
    a = np.random.default_rng(3).integers(-4, 4, (5, 33, 6)).astype("float32")
    a[2, 7, 3] = a[0, 1, 5] = np.nan

    def expected(v):
        over = axis if isinstance(axis, tuple) else (tuple(range(3)) if axis is None else (axis,))
        last = np.moveaxis(v, over, range(-len(over), 0))
        flat = last.reshape(*last.shape[: 3 - len(over)], -1)
        found = getattr(np, f"arg{name}")(flat, -1).astype("int64")
        return np.expand_dims(found, over) if keepdims else np.asarray(found)

    check(
        lambda t: topi.cast(topi.place_of(getattr(topi, name), t, axis, keepdims), "int64"),
        expected,
        a,
    )
