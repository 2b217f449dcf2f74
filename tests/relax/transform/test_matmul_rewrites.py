"""Passes that move, join and reorder products."""

import numpy as np

from tilewright.relax import transform as T

from ..helpers import random
from ..rewrites import check, check_meaning, check_same, read


def test_matmul_of_sum() -> None:
    before = """
    @R.function
    def main(x: R.Tensor((4, 8), "float32"), a: R.Tensor((8, 16), "float32"),
             b: R.Tensor((8, 16), "float32")):
        with R.dataflow():
            w = R.add(a, b)
            out = R.matmul(x, w)
            R.output(out)
        return out
    """
    after = """
    @R.function
    def main(x: R.Tensor((4, 8), "float32"), a: R.Tensor((8, 16), "float32"),
             b: R.Tensor((8, 16), "float32")):
        with R.dataflow():
            p = R.matmul(x, a)
            q = R.matmul(x, b)
            out = R.add(p, q)
            R.output(out)
        return out
    """
    made = check(T.ExpandMatmulOfSum(), before, after)
    check_meaning(read(before), made, random(4, 8), random(8, 16, seed=1), random(8, 16, seed=2))


def test_matmul_of_a_sum_of_weights_is_left() -> None:
    check_same(
        T.ExpandMatmulOfSum(),
        """
    @R.function
    def main(x: R.Tensor((4, 8), "float32"), a: R.Tensor((8, 16), "float32"),
             b: R.Tensor((8, 16), "float32")):
        R.func_attr({"num_input": 1})
        with R.dataflow():
            w = R.add(a, b)
            out = R.matmul(x, w)
            R.output(out)
        return out
    """,
    )


def test_low_rank_weights_are_applied_one_after_another() -> None:
    before = """
    @R.function
    def main(x: R.Tensor(("n", 64), "float32"), a: R.Tensor((64, 4), "float32"),
             b: R.Tensor((4, 64), "float32")):
        n = T.int64()
        R.func_attr({"tir_var_upper_bound": {"n": 16}})
        with R.dataflow():
            w = R.matmul(a, b)
            out = R.matmul(x, w)
            R.output(out)
        return out
    """
    after = before.replace("w = R.matmul(a, b)", "w = R.matmul(x, a)").replace(
        "out = R.matmul(x, w)", "out = R.matmul(w, b)"
    )
    made = check(T.AdjustMatmulOrder(), before, after)
    check_meaning(read(before), made, random(3, 64), random(64, 4, seed=1), random(4, 64, seed=2))


def test_products_on_the_left_are_joined_where_that_is_less() -> None:
    before = """
    @R.function
    def main(x: R.Tensor((64, 4), "float32"), a: R.Tensor((4, 64), "float32"),
             b: R.Tensor((64, 4), "float32")):
        with R.dataflow():
            w = R.matmul(x, a)
            out = R.matmul(w, b)
            R.output(out)
        return out
    """
    after = before.replace("w = R.matmul(x, a)", "w = R.matmul(a, b)").replace(
        "out = R.matmul(w, b)", "out = R.matmul(x, w)"
    )
    check(T.AdjustMatmulOrder(), before, after)
    check_same(T.AdjustMatmulOrder(), after)


def test_columns_are_taken_after_the_product() -> None:
    before = """
    @R.function
    def main(x: R.Tensor((2, 3, 8), "float32"), w: R.Tensor((8, 16), "float32"),
             i: R.Tensor((5,), "int64")):
        with R.dataflow():
            t = R.take(w, i, axis=1)
            out = R.matmul(x, t)
            R.output(out)
        return out
    """
    after = before.replace("t = R.take(w, i, axis=1)", "t = R.matmul(x, w)").replace(
        "out = R.matmul(x, t)", "out = R.take(t, i, axis=2)"
    )
    check(T.ReorderTakeAfterMatmul(), before, after)


def test_a_matrix_for_each_of_a_batch_is_chosen_after_the_product() -> None:
    before = read("""
    @R.function
    def main(x: R.Tensor(("b", 3, 8), "float32"), w: R.Tensor((4, 8, 5), "float32"),
             i: R.Tensor(("b",), "int64")):
        b = T.int64()
        with R.dataflow():
            t = R.take(w, i, axis=0)
            out = R.matmul(x, t)
            R.output(out)
        return out
    """)
    after = T.ReorderTakeAfterMatmul()(before)
    order = [b.value.op.name for b in after["main"].body.bindings()]
    assert order.index("relax.matmul") < order.index("relax.take")
    check_meaning(before, after, random(2, 3, 8), random(4, 8, 5, seed=1), np.array([3, 1]))


def test_permuted_tensors_are_joined_first() -> None:
    before = """
    @R.function
    def main(a: R.Tensor((2, 3, 4), "float32"), b: R.Tensor((2, 3, 5), "float32")):
        with R.dataflow():
            p = R.permute_dims(a, axes=[2, 0, 1])
            q = R.permute_dims(b, axes=[2, 0, 1])
            out = R.concat((p, q), axis=0)
            R.output(out)
        return out
    """
    after = """
    @R.function
    def main(a: R.Tensor((2, 3, 4), "float32"), b: R.Tensor((2, 3, 5), "float32")):
        with R.dataflow():
            p = R.concat((a, b), axis=2)
            out = R.permute_dims(p, axes=[2, 0, 1])
            R.output(out)
        return out
    """
    check(T.ReorderPermuteDimsAfterConcat(), before, after)
    other = before.replace("b, axes=[2, 0, 1]", "b, axes=[2, 1, 0]")
    check_same(T.ReorderPermuteDimsAfterConcat(), other.replace("(2, 3, 5)", "(3, 2, 5)"))


def test_a_transposed_weight_is_read_in_place() -> None:
    before = read("""
    @R.function
    def main(x: R.Tensor((2, 3, 8), "float32"), w: R.Tensor((5, 8), "float32")):
        with R.dataflow():
            t = R.permute_dims(w)
            out = R.matmul(x, t)
            R.output(out)
        return out
    """)
    after = T.FuseTransposeMatmul()(before)
    assert "NT_matmul" in after.names()
    assert len(list(after["main"].body.bindings())) == 1
    check_meaning(before, after, random(2, 3, 8), random(5, 8, seed=1))


def test_parallel_products_become_one() -> None:
    before = """
    @R.function
    def main(x: R.Tensor((4, 8), "float32"), a: R.Tensor((8, 16), "float32"),
             b: R.Tensor((8, 6), "float32"), c: R.Tensor((16,), "float32"),
             d: R.Tensor((6,), "float32")):
        with R.dataflow():
            p = R.matmul(x, a)
            p1 = R.add(p, c)
            p2 = R.nn.relu(p1)
            q = R.matmul(x, b)
            q1 = R.add(q, d)
            q2 = R.nn.relu(q1)
            out = (p2, q2)
            R.output(out)
        return out
    """
    after = """
    @R.function
    def main(x: R.Tensor((4, 8), "float32"), a: R.Tensor((8, 16), "float32"),
             b: R.Tensor((8, 6), "float32"), c: R.Tensor((16,), "float32"),
             d: R.Tensor((6,), "float32")):
        with R.dataflow():
            lv = R.concat((a, b), axis=1)
            lv1 = R.matmul(x, lv)
            lv2 = R.concat((c, d), axis=0)
            lv3 = R.add(lv1, lv2)
            lv4 = R.nn.relu(lv3)
            lv5 = R.split(lv4, [16], axis=1)
            lv6 = lv5[0]
            lv7 = lv5[1]
            out = (lv6, lv7)
            R.output(out)
        return out
    """
    check(T.CombineParallelMatmul(), before, after)


def test_what_branches_do_apart_stays_apart() -> None:
    before = read("""
    @R.function
    def main(x: R.Tensor((2, "n", 8), "float32"), a: R.Tensor((8, 16), "float32"),
             b: R.Tensor((8, 6), "float32"), c: R.Tensor((16,), "float32")):
        n = T.int64()
        with R.dataflow():
            p = R.matmul(x, a)
            p1 = R.add(p, c)
            p2 = R.nn.gelu(p1)
            q = R.matmul(x, b)
            w = R.exp(b)
            r = R.matmul(x, w)
            R.output(p2, q, r)
        return (p2, q, r)
    """)
    after = T.CombineParallelMatmul()(before)
    names = [getattr(b.value, "op", None) for b in after["main"].body.bindings()]
    assert sum(getattr(n, "name", "") == "relax.matmul" for n in names) == 2
    args = (random(2, 3, 8), random(8, 16, seed=1), random(8, 6, seed=2), random(16, seed=3))
    check_meaning(before, after, *args)


def test_the_check_decides_on_combining() -> None:
    seen = []

    def refuse(left, rights, biases, bindings) -> bool:
        seen.append((left.name_hint, len(rights), len(biases)))
        return False

    body = """
    @R.function
    def main(x: R.Tensor((4, 8), "float32"), a: R.Tensor((8, 16), "float32")):
        with R.dataflow():
            p = R.matmul(x, a)
            q = R.matmul(x, a)
            R.output(p, q)
        return (p, q)
    """
    check_same(T.CombineParallelMatmul(refuse), body)
    assert seen == [("x", 2, 0)]
