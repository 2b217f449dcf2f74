import numpy as np
import pytest

from tests.topi.evaluator import check, evaluate, given
from tilewright import te, topi
from tilewright.support.errors import ArgumentError

rng = np.random.default_rng(0)
FLOATS = [("add", np.add), ("subtract", np.subtract), ("multiply", np.multiply),
          ("divide", np.divide), ("maximum", np.maximum), ("minimum", np.minimum),
          ("power", np.power), ("floor_divide", np.floor_divide), ("mod", np.fmod),
          ("floor_mod", np.mod), ("atan2", np.arctan2), ("log_add_exp", np.logaddexp),
          ("equal", np.equal), ("not_equal", np.not_equal), ("less", np.less),
          ("less_equal", np.less_equal), ("greater", np.greater),
          ("greater_equal", np.greater_equal)]  # fmt: skip
SHAPES = [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (4,)), ((0, 3), (1, 3))]


@pytest.mark.parametrize("name, reference", FLOATS)
@pytest.mark.parametrize("left, right", SHAPES)
def test_floats_broadcast_as_numpy(name, reference, left, right):
    a = rng.uniform(0.5, 3, left).astype("float32")
    b = rng.uniform(0.5, 3, right).astype("float32")
    if name not in ("power",):
        a = np.where(rng.random(left) < 0.5, -a, a).astype("float32")
    check(getattr(topi, name), reference, a, b, rtol=1e-5, shapes=("static",))


def test_symbolic_dimensions_broadcast_when_they_are_one():
    for left, right in SHAPES[:-1]:
        a, b = rng.random(left), rng.random(right)
        check(topi.add, np.add, a, b, shapes=("symbolic",))


INTS = [("add", np.add), ("floor_divide", np.floor_divide), ("floor_mod", np.mod),
        ("mod", np.fmod), ("bitwise_and", np.bitwise_and), ("bitwise_or", np.bitwise_or),
        ("bitwise_xor", np.bitwise_xor), ("left_shift", np.left_shift),
        ("right_shift", np.right_shift), ("maximum", np.maximum)]  # fmt: skip


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint32"])
@pytest.mark.parametrize("name, reference", INTS)
def test_integers(name, reference, dtype):
    low = 0 if "shift" in name or dtype.startswith("u") else -20
    a = rng.integers(low, 20, (3, 4)).astype(dtype)
    b = rng.integers(1, 6, (4,)).astype(dtype)
    if low < 0:
        b = np.where(rng.random(4) < 0.5, -b, b).astype(dtype)
    check(getattr(topi, name), reference, a, b)


@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor"])
def test_logic(name):
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    check(getattr(topi, name), getattr(np, name), a, b)
    check(getattr(topi, name), getattr(np, name), a.astype("int32"), b.astype("float32"))


def test_numbers_take_the_type_of_the_tensor():
    a = rng.random((2, 3)).astype("float16")
    check(lambda x: topi.add(x, 1.5), lambda x: x + np.float16(1.5), a)
    check(lambda x: 2 - x, lambda x: np.float16(2) - x, a)


def test_broadcast_index_is_zero_only_where_the_dimension_is_one():
    a = te.placeholder((4, 1, 5), name="a")
    b = te.placeholder((3, 5), name="b")
    body = topi.add(a, b).op.body[0]
    assert str(body.a.indices[1]) == "0"
    assert body.a.indices[2] is body.b.indices[1]


def test_where_and_broadcast_to():
    c = rng.random((3, 1)) < 0.5
    x, y = rng.random((4,)), rng.random((1, 1))
    check(topi.where, np.where, c, x, y)
    a = rng.random((3, 1)).astype("float32")
    check(lambda t: topi.broadcast_to(t, (2, 3, 4)), lambda v: np.broadcast_to(v, (2, 3, 4)), a)
    check(lambda *t: topi.elemwise_sum(t), lambda *v: sum(v), a, a, a)


def test_shapes_that_do_not_fit_are_an_error():
    a, b = given(np.zeros((2, 3))), given(np.zeros((2, 4)))
    with pytest.raises(ArgumentError, match="3 and 4"):
        topi.add(a, b)
    with pytest.raises(ArgumentError, match="broadcast_to"):
        topi.broadcast_to(a, (2, 5))


def test_nan_goes_through_maximum():
    a = np.array([np.nan, 1.0, 2.0], "float32")
    b = np.array([0.0, np.nan, 5.0], "float32")
    found = evaluate(topi.maximum, a, b)
    np.testing.assert_array_equal(found, np.maximum(a, b))
