"""Tests in the way of TVM's own; `test_tvm_style.py` runs them with `tvm` bound to tilewright."""

import numpy as np
import pytest
import tvm
import tvm.testing
from tvm import te
from tvm.script import ir as I
from tvm.script import tir as T

size = tvm.testing.parameter(4, 8)
dtype, rounding = tvm.testing.parameters(("float32", 1e-6), ("float64", 1e-12))
calls = []


@tvm.testing.fixture(cache_return_value=True)
def table(size):
    calls.append(size)
    return np.arange(size)


def test_one(table, size):
    assert len(table) == size
    table[0] = 9


def test_two(table, size):
    assert table[0] == 0 and calls.count(size) == 1


def test_pairs(dtype, rounding):
    assert (dtype, rounding) in (("float32", 1e-6), ("float64", 1e-12))


class TestScope:
    width = tvm.testing.parameter(2, 3)

    @pytest.fixture(scope="class")
    @classmethod
    def area(cls, width, size):
        return width * size

    def test_area(self, width, size, area):
        assert area == width * size


@tvm.testing.parametrize_targets("llvm", "c")
def test_targets(target, dev, size):
    A = te.placeholder((size,), name="A")
    B = te.compute((size,), lambda i: A[i] + 1.0)
    f = tvm.compile(te.create_prim_func([A, B]), target=target)
    a = tvm.nd.array(np.zeros(size, "float32"), dev)
    b = tvm.nd.empty((size,), "float32", dev)
    f["main"](a, b)
    tvm.testing.assert_allclose(b.numpy(), np.ones(size))


def test_default_targets(target, dev):
    assert target == "llvm"


@tvm.testing.exclude_targets("llvm")
def test_excluded(target, dev):
    assert target != "llvm"


@pytest.mark.parametrize("target", ["llvm", "hexagon", "nothing"])
def test_given_targets(target):
    assert target != "hexagon"


@tvm.testing.known_failing_targets("llvm")
@tvm.testing.parametrize_targets("llvm")
def test_failing_given(target):
    assert target != "llvm"


@tvm.testing.known_failing_targets("llvm")
def test_failing(target, dev):
    assert target != "llvm"


@tvm.testing.requires_cuda
def test_gpu():
    raise AssertionError


@tvm.testing.requires_llvm
def test_llvm():
    pass


@pytest.mark.parametrize(
    "t", [pytest.param("cuda", marks=tvm.testing.requires_cuda.marks()), "llvm"]
)
def test_marks(t):
    assert t == "llvm"


class TestSimplify(tvm.testing.CompareBeforeAfter):
    transform = tvm.tir.transform.Simplify()

    def before(A: T.Buffer(1, "int32")):
        A[0] = 1 + A[0] - A[0]

    def expected(A: T.Buffer(1, "int32")):
        A[0] = 1


class TestSame(tvm.testing.CompareBeforeAfter):
    def transform(self):
        return tvm.tir.transform.Simplify()

    @T.prim_func(private=True)
    def before(A: T.Buffer(1, "int32")):
        A[0] = 1

    expected = before


class TestModule(tvm.testing.CompareBeforeAfter):
    transform = tvm.tir.transform.Simplify()

    @I.ir_module
    class Before:
        @T.prim_func
        def main(A: T.Buffer(1, "int32")):
            A[0] = A[0] * 1 + 2

    class Expected:
        def main(A: T.Buffer(1, "int32")):
            A[0] = A[0] + 2


class TestRaises(tvm.testing.CompareBeforeAfter):
    def transform(self):
        def f(mod):
            raise ValueError("no")

        return f

    def before(A: T.Buffer(1, "int32")):
        A[0] = 1

    expected = ValueError


class TestParam(tvm.testing.CompareBeforeAfter):
    n = tvm.testing.parameter(1, 2)
    transform = tvm.tir.transform.Simplify()

    @tvm.testing.fixture
    def before(self, n):
        @T.prim_func(private=True)
        def func(A: T.Buffer(n, "int32")):
            A[0] = 1 + A[0] - A[0]

        return func

    @tvm.testing.fixture
    def expected(self, n):
        @T.prim_func(private=True)
        def func(A: T.Buffer(n, "int32")):
            A[0] = 1

        return func


if __name__ == "__main__":
    tvm.testing.main()


@tvm.testing.skip_parameterizations("3", reason="three are too many")
@pytest.mark.parametrize("count", [2, 3])
def test_few(request, count):
    assert count == 2 and request.node.name == "test_few[2]"


@tvm.testing.xfail_parameterizations("a-b", reason="not yet")
@pytest.mark.parametrize(("one", "two"), [("a", "b"), ("b", "a")])
def test_order(request, one, two):
    assert one > two


@tvm.testing.slow
@pytest.mark.parametrize("number", [1])
def test_slow(number):
    assert number
