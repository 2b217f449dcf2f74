"""Attention as one kernel: the same values, and the loops of a block of queries."""

import numpy as np
import pytest

import tilewright
from tilewright import relax, te, tir, topi
from tilewright.dlight.analysis import collect

from .kernels import AVX2, AVX512, HOST, check_same, schedule

N = tir.Var("n", "int64")
ONE, EIGHT = tir.IntImm("int64", 1), tir.IntImm("int64", 8)


def tensor(*shape, name):
    return te.placeholder(shape, "float32", name)


def plain(batch, heads, queries, keys, size):
    """Spelled as exporters do: heads before sequences, keys turned, a mask, rows without keys."""
    q = tensor(batch, heads, queries, size, name="q")
    k = tensor(batch, heads, size, keys, name="k")
    v = tensor(batch, heads, keys, size, name="v")
    mask = tensor(batch, 1, queries, keys, name="mask")
    weights = topi.nn.softmax(topi.add(topi.nn.matmul(q, k), mask))
    kept = topi.where(topi.isnan(weights), te.const(0.0, "float32"), weights)
    return [q, k, v, mask, topi.transpose(topi.nn.matmul(kept, v), (0, 2, 1, 3))]


def attention(batch, heads, queries, keys, size, shared=1, **options):
    """The operator: sequences before heads."""
    q = tensor(batch, queries, heads, size, name="q")
    k = tensor(batch, keys, heads // shared, size, name="k")
    v = tensor(batch, keys, heads // shared, size, name="v")
    return [q, k, v, topi.nn.attention(q, k, v, **options)]


CASES = {
    "one tile": lambda: plain(1, 2, 16, 32, 16),
    "odd sizes": lambda: plain(2, 3, 37, 53, 20),
    "more keys than a vector, fewer queries than a block": lambda: plain(1, 1, 5, 130, 64),
    "padded panels of keys": lambda: plain(1, 2, 70, 300, 33),
    "one query": lambda: plain(1, 4, 1, 77, 32),
    "causal": lambda: attention(1, 2, 40, 40, 32, causal_mask="TopLeft"),
    "causal, seen from the end": lambda: attention(1, 2, 24, 40, 32, causal_mask="BottomRight"),
    "a window": lambda: attention(1, 2, 64, 64, 16, causal_mask="TopLeft", window_size=9),
    "cores share the queries of three heads": lambda: plain(1, 3, 130, 70, 16),
    "shared heads": lambda: attention(2, 6, 33, 65, 32, shared=3),
}


@pytest.mark.parametrize("case", CASES)
def test_values(case):
    made = check_same(CASES[case]())
    assert made.attrs["tir.schedule_reason"].startswith("Attention")


@pytest.mark.parametrize("n", [1, 20])
def test_a_sum_of_one_step_is_no_loop(n):
    """Heads of one element, of which the graph makes a kernel with open numbers of keys."""
    keys, width = tir.Var("n", "int64"), tir.Var("m", "int64")
    q, k, v = (
        relax.Var(name, relax.TensorStructInfo(relax.ShapeExpr((ONE, ONE, *shape)), "float32"))
        for name, shape in (("q", (EIGHT, ONE)), ("k", (keys, ONE)), ("v", (keys, width)))
    )
    bb = relax.BlockBuilder()
    with bb.function("main", [q, k, v]):
        turned = bb.emit(relax.op.permute_dims(k, [0, 1, 3, 2]))
        weights = bb.emit(relax.op.nn.softmax(bb.emit(relax.op.matmul(q, turned))))
        bb.emit_func_output(bb.emit(relax.op.matmul(weights, v)))
    run = relax.VirtualMachine(tilewright.compile(bb.get(), "llvm"), tilewright.cpu())["main"]
    random = np.random.default_rng(0)
    a, b, c = (
        random.standard_normal((1, 1, *s)).astype("float32") for s in ((8, 1), (n, 1), (n, 3))
    )
    scores = np.exp(a @ b.transpose(0, 1, 3, 2))
    expected = scores / scores.sum(-1, keepdims=True) @ c
    made = run(*(tilewright.runtime.tensor(x) for x in (a, b, c))).numpy()
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [1, 7, 64, 65, 130])
def test_values_of_any_length(n):
    check_same(plain(1, 2, N, N, 16), n=n)


@pytest.mark.parametrize("n", [1, 15, 31, 32, 64, 77])
def test_keys_in_their_own_order_are_turned_round(n):
    check_same(attention(1, 2, N, N, 32), n=n)


@pytest.mark.parametrize("keys", [N + 3, 2 * N + 1, N // 2], ids=str)
def test_lengths_that_are_expressions(keys):
    func = schedule(te.create_prim_func(attention(1, 2, N, keys, 32)), AVX512)
    assert func.attrs["tir.schedule_reason"].startswith("Attention: ")


@pytest.mark.parametrize("softmax", [topi.nn.softmax, topi.nn.fast_softmax])
def test_weights_are_divided_after_the_second_product(softmax):
    q, k = tensor(1, 2, 20, 16, name="q"), tensor(1, 2, 16, 30, name="k")
    v = tensor(1, 2, 30, 16, name="v")
    weights = softmax(topi.nn.matmul(q, k))
    made = check_same([q, k, v, topi.nn.matmul(weights, v)])
    blocks = {b.name_hint for b in collect(made.body, tir.Block)}
    assert "T_softmax_norm" not in blocks


@pytest.mark.parametrize(
    ("tensors", "target", "words"),
    [
        (lambda: plain(1, 12, 128, 128, 64), AVX512, "64 queries at a time, parallel over 24"),
        (lambda: plain(1, 12, 128, 128, 64), AVX2, "48 queries at a time, parallel over 12"),
        (lambda: plain(1, 8, 1500, 1500, 64), AVX512, "48 queries at a time, parallel over 8"),
        (lambda: plain(1, 12, N, N, 64), AVX512, "60 queries at a time, parallel over 12"),
        (lambda: plain(1, 6, 1829, 1829, 64), AVX512, "40 queries at a time, parallel over 24"),
    ],
)
def test_a_block_of_queries_at_a_time(tensors, target, words):
    func = schedule(te.create_prim_func(tensors()), target)
    assert func.attrs["tir.schedule_reason"].startswith(f"Attention: {words}")


def test_one_key_has_no_rows_of_scores():
    check_same(plain(1, 2, 9, 1, 16))


def test_what_is_no_attention_is_left_to_other_rules():
    a, b = tensor(8, 16, name="a"), tensor(16, 16, name="b")
    once = topi.nn.matmul(a, b)
    func = schedule(te.create_prim_func([a, b, topi.nn.softmax(once)]), HOST)
    assert not func.attrs["tir.schedule_reason"].startswith("Attention")
