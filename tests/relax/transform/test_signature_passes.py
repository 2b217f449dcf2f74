"""Passes that change what functions take and give: lazily, item by item, only what is used."""

import pytest

from tilewright.relax import interpreter
from tilewright.relax import transform as T
from tilewright.support.errors import TVMError

from ..helpers import random
from ..rewrites import check, check_meaning, check_same, read

PREPARE = """
    @R.function
    def main_transform_params(
        params: R.Tuple(R.Tensor((3, 4), "float32"), R.Tensor((4,), "float32"))
    ) -> R.Tuple(R.Tensor((4,), "float32"), R.Tensor((4, 3), "float32")):
        R.func_attr({"num_input": 0})
        with R.dataflow():
            a = params[0]
            b = params[1]
            c = R.permute_dims(a)
            gv = (b, c)
            R.output(gv)
        return gv
"""


def test_weights_are_fetched_and_results_handed_over() -> None:
    after = """
    @R.function(pure=False)
    def main_transform_params() -> R.Tuple:
        R.func_attr({"num_input": 0})
        a: R.Object = R.call_packed("get_item", R.prim_value(0), sinfo_args=R.Object)
        a1 = R.match_cast(a, R.Tensor((3, 4), "float32"))
        _ = R.vm.kill_object(a)
        b: R.Object = R.call_packed("get_item", R.prim_value(1), sinfo_args=R.Object)
        b1 = R.match_cast(b, R.Tensor((4,), "float32"))
        _1 = R.vm.kill_object(b)
        _2: R.Object = R.call_packed("set_item", R.prim_value(0), b1, sinfo_args=R.Object)
        _3 = R.vm.kill_object(b1)
        c = R.permute_dims(a1)
        _4: R.Object = R.call_packed("set_item", R.prim_value(1), c, sinfo_args=R.Object)
        _5 = R.vm.kill_object(a1)
        output = R.tuple()
        return output
    """
    made = check(T.LazyTransformParams(), PREPARE, after)
    weights, results = {0: random(3, 4), 1: random(4, seed=1)}, {}
    interpreter.PACKED["get_item"] = lambda i: weights[i]
    interpreter.PACKED["set_item"] = lambda i, value: results.__setitem__(i, value)
    try:
        interpreter.run(made, entry="main_transform_params")
    finally:
        del interpreter.PACKED["get_item"], interpreter.PACKED["set_item"]
    assert (results[0] == weights[1]).all() and (results[1] == weights[0].T).all()


def test_results_may_still_be_returned() -> None:
    made = T.LazyTransformParams(fset_item=None, extra_get_item_params=[7])(read(PREPARE))
    assert 'R.call_packed("get_item", R.prim_value(7), R.prim_value(0)' in made.script()
    assert "set_item" not in made.script()
    assert len(made["main_transform_params"].ret_struct_info.items) == 2


def test_lazy_inputs() -> None:
    before = """
    @R.function
    def f(x: R.Tensor((4,), "float32"), u: R.Tensor((4,), "float32"), w: R.Tensor((4,), "float32")
    ) -> R.Tensor((4,), "float32"):
        R.func_attr({"num_input": 1})
        with R.dataflow():
            y = R.exp(x)
            z = R.add(y, w)
            R.output(z)
        return z
    """
    after = """
    @R.function
    def f(x: R.Tensor((4,), "float32"),
          fget_param: R.Callable([R.Prim("int64"), R.Object], R.Object, True)
    ) -> R.Tensor((4,), "float32"):
        R.func_attr({"num_input": 1})
        y = R.exp(x)
        w: R.Object = fget_param(R.prim_value(1), R.str("w"))
        w1 = R.match_cast(w, R.Tensor((4,), "float32"))
        z = R.add(y, w1)
        return z
    """
    check(T.LazyGetInput(), before, after)
    check_same(T.LazyGetInput(), before.replace('R.func_attr({"num_input": 1})', "pass"))


def test_lazy_outputs() -> None:
    before = """
    @R.function
    def f(x: R.Tensor((4,), "float32"), w: R.Tensor((4,), "float32")):
        R.func_attr({"num_input": 1})
        y = R.exp(x)
        z = R.add(y, w)
        return (z, y)
    """
    after = """
    @R.function(pure=False)
    def f(x: R.Tensor((4,), "float32"),
          fset_output: R.Callable([R.Prim("int64"), R.Object], R.Tuple, False),
          w: R.Tensor((4,), "float32")) -> R.Tuple:
        R.func_attr({"num_input": 2})
        y = R.exp(x)
        _ = fset_output(R.prim_value(1), y)
        z = R.add(y, w)
        _1 = fset_output(R.prim_value(0), z)
        output = R.tuple()
        return output
    """
    check(T.LazySetOutput(), before, after)


def test_outputs_that_nobody_uses_go_away() -> None:
    before = """
    @R.function(private=True)
    def three(x: R.Tensor((4,), "float32")):
        with R.dataflow():
            a = R.exp(x)
            b = R.add(a, x)
            c = R.negative(x)
            out = (a, b, c)
            R.output(out)
        return out

    @R.function
    def main(x: R.Tensor((4,), "float32")):
        t = cls.three(x)
        p = t[2]
        q = t[1]
        return R.add(p, q)
    """
    made = T.RemoveUnusedOutputs()(read(before))
    assert len(made["three"].ret_struct_info.items) == 2
    check_meaning(read(before), made, random(4))
    single = T.RemoveUnusedOutputs()(read(before.replace("q = t[1]", "q = x")))
    assert str(single["three"].ret_struct_info) == 'R.Tensor((4,), dtype="float32")'


def test_outputs_used_as_a_whole_stay() -> None:
    check_same(
        T.RemoveUnusedOutputs(),
        """
    @R.function(private=True)
    def two(x: R.Tensor((4,), "float32")):
        return (x, x)

    @R.function
    def main(x: R.Tensor((4,), "float32")):
        t = cls.two(x)
        return t
    """,
    )


def test_tuple_arguments_are_passed_item_by_item() -> None:
    before = """
    @R.function(private=True)
    def f(a: R.Tuple(R.Tensor((4,), "float32"), R.Tuple(R.Tensor((4,), "float32")))):
        p = a[0]
        t = a[1]
        q = t[0]
        return R.subtract(p, q)

    @R.function
    def main(x: R.Tensor((4,), "float32"), y: R.Tensor((4,), "float32")):
        return cls.f((x, (y,)))
    """
    made = T.ExpandTupleArguments()(read(before))
    assert [p.name_hint for p in made["f"].params] == ["a_0", "a_1_0"]
    check_meaning(read(before), made, random(4), random(4, seed=1))


BLOCK = """
    @R.function
    def main(x: R.Tensor((4,), "float32"), y: R.Tensor((4,), "float32")):
        with R.dataflow():
            a = R.exp(x)
            b = R.exp(y)
            a1 = R.negative(a)
            b1 = R.negative(b)
            out = R.add(a1, b1)
            R.output(out)
        return out
"""


@pytest.mark.parametrize(
    ("order", "direction", "names"),
    [
        ("depth-first", "from-inputs", "a a1 b b1 out"),
        ("breadth-first", "from-inputs", "a b a1 b1 out"),
        ("depth-first", "from-outputs", "a a1 b b1 out"),
        ("breadth-first", "from-outputs", "b a b1 a1 out"),
    ],
)
def test_topological_orders(order: str, direction: str, names: str) -> None:
    made = T.TopologicalSort(order, direction)(read(BLOCK))
    assert " ".join(b.var.name_hint for b in made["main"].body.bindings()) == names
    check_meaning(read(BLOCK), made, random(4), random(4, seed=1))


def test_an_unknown_order_is_an_error() -> None:
    with pytest.raises(TVMError, match="order is one of"):
        T.TopologicalSort("random")


def test_reshapes_in_a_row() -> None:
    before = """
    @R.function
    def main(x: R.Tensor((2, 6), "float32")):
        with R.dataflow():
            a = R.reshape(x, (3, 4))
            b = R.reshape(a, (12,))
            c = R.reshape(b, (2, 6))
            d = R.add(c, x)
            R.output(b, d)
        return (b, d)
    """
    after = """
    @R.function
    def main(x: R.Tensor((2, 6), "float32")):
        with R.dataflow():
            b = R.reshape(x, (12,))
            c = x
            d = R.add(c, x)
            R.output(b, d)
        return (b, d)
    """
    made = T.CanonicalizeBindings()(T.RemoveRedundantReshape()(read(before)))
    from tilewright.ir import assert_structural_equal

    assert_structural_equal(made, T.CanonicalizeBindings()(read(after)))


def test_layouts_there_and_back_cancel() -> None:
    before = read("""
    @R.function
    def main(x: R.Tensor((4, 32), "float32")):
        with R.dataflow():
            a = R.layout_transform(x, index_map=lambda i, j: (i, j // 16, j % 16))
            b = R.layout_transform(a, index_map=lambda i, j, k: (i, j * 16 + k))
            out = R.exp(b)
            R.output(out)
        return out
    """)
    made = T.CanonicalizeBindings()(T.OptimizeLayoutTransform()(before))
    assert "layout_transform" not in made.script()
    check_meaning(before, made, random(4, 32))


def test_fast_kernels() -> None:
    before = read("""
    @R.function
    def main(x: R.Tensor((4, 5), "float32")):
        with R.dataflow():
            a = R.tanh(x)
            out = R.nn.softmax(a, axis=1)
            R.output(out)
        return out
    """)
    made = T.FastMathTransform()(before)
    assert {"fast_tanh", "fast_softmax"} <= set(made.names())
    check_meaning(before, made, random(4, 5))
