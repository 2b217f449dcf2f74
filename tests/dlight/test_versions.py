"""A few queries of attention have schedules of their own where their number is not known."""

import pytest

from tilewright import te, tir, topi
from tilewright.dlight.analysis import collect
from tilewright.dlight.versions import chosen_by_size, with_size

from .kernels import AVX2, AVX512, check_functions, check_same, schedule

N, M = tir.SizeVar("n", "int64"), tir.SizeVar("m", "int64")


def tensor(*shape, name):
    return te.placeholder(shape, "float32", name)


def decoder(queries, keys, masked=False, heads=2, size=32):
    """Keys in their own order, a mask, heads before sequences."""
    q = tensor(1, heads, queries, size, name="q")
    k, v = (tensor(1, heads, keys, size, name=name) for name in "kv")
    mask = tensor(1, 1, queries, keys, name="mask")
    scores = topi.nn.matmul(q, k, transpose_b=True)
    scores = topi.add(scores, mask) if masked else scores
    out = topi.nn.matmul(topi.nn.fast_softmax(scores), v)
    return [q, k, v, *([mask] if masked else []), out]


def operator(**options):
    """The operator, whose heads may share keys."""
    shared = options.pop("shared", 1)
    q = tensor(1, N, 4, 32, name="q")
    k, v = (tensor(1, M, 4 // shared, 32, name=name) for name in "kv")
    return [q, k, v, topi.nn.attention(q, k, v, **options)]


CASES = {
    "plain": lambda: decoder(N, M),
    "additive mask": lambda: decoder(N, M, masked=True),
    "causal, seen from the end": lambda: operator(causal_mask="BottomRight"),
    "shared heads": lambda: operator(shared=2),
    "a window": lambda: operator(causal_mask="TopLeft", window_size=3),
}


@pytest.mark.parametrize("case", CASES)
def test_values(case):
    func = te.create_prim_func(CASES[case]())
    made = schedule(func)
    for n, m in [(1, 77), (1, 1), (1, 0), (0, 5), (2, 77), (3, 40), (4, 4), (9, 64), (65, 70)]:
        if case != "causal, seen from the end" or n <= m:  # rows that see nothing are NaN
            check_functions(func, made, n=n, m=m)


@pytest.mark.parametrize("target", [AVX2, AVX512], ids=["AVX2", "AVX512"])
def test_the_products_of_one_query_go_along_the_sum(target):
    func = schedule(te.create_prim_func(decoder(N, M)), target)
    queries, one = func.attrs["tir.schedule_reason"].split("; where n is 1, ")
    assert queries.startswith("Attention: ")
    assert "along the sum" in one and "no vectors" not in one


def test_two_to_four_queries_read_the_keys_in_place_too():
    func = schedule(te.create_prim_func(decoder(N, M)), AVX512)
    asked = [str(one.condition) for one in collect(func.body, tir.IfThenElse)]
    assert asked[:4] == [f"n == T.int64({k})" for k in range(1, 5)]
    for k in range(2, 5):
        words = func.attrs["tir.schedule_reason"].split(f"; where n is {k}, ")[1]
        assert "along the sum" in words.split("; where")[0]


@pytest.mark.parametrize(
    "tensors",
    [lambda: decoder(N, N), lambda: decoder(16, M), lambda: decoder(1, M)],
    ids=["as many keys", "a known number", "one, known"],
)
def test_no_other_version(tensors):
    func = schedule(te.create_prim_func(tensors()))
    assert "where n is 1" not in func.attrs["tir.schedule_reason"]


def test_versions_of_any_function():
    a = tensor(N, 5, name="a")
    func = te.create_prim_func([a, te.compute((N, 5), lambda i, j: a[i, j] * 2.0, "b")])
    size = func.buffers()[0].shape[0]
    single = with_size(func, size, 1)
    assert [str(b.shape[0]) for b in single.buffers()] == ["T.int64(1)"] * 2
    both = chosen_by_size(schedule(func), schedule(single), size, 1)
    assert len(collect(both.body, tir.IfThenElse)) == 1
    for n in (0, 1, 2, 40):
        check_functions(func, both, n=n)


def test_a_known_number_of_queries_keeps_its_schedule():
    check_same(decoder(1, M), m=37)


@pytest.mark.parametrize(("queries", "words"), [(5, "along the sum"), (6, "queries at a time")])
def test_keys_are_turned_for_more_queries_than_a_sixth_of_their_length(queries, words):
    func = schedule(te.create_prim_func(decoder(queries, M)), AVX512)
    assert words in func.attrs["tir.schedule_reason"]
