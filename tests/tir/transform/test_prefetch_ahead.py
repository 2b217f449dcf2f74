"""What a later iteration reads is fetched: one place a line, inside of the buffer."""

from __future__ import annotations

import pytest

from tilewright.support.errors import CompileError
from tilewright.tir import transform as T

from .cases import applied, check

BEFORE = """
@T.prim_func
def main(a: T.Buffer((640,), "float32"), b: T.Buffer((64,), "float32")):
    for i in T.serial(10, annotations={"prefetch_ahead": 2}):
        for k in range(16):
            b[i] = b[i] + a[i * 64 + k * 2] + a[i * 64 + k * 2 + 1] + a[i * 64 + k * 2 + 32] + b[k]
"""

AFTER = """
@T.prim_func
def main(a: T.Buffer((640,), "float32"), b: T.Buffer((64,), "float32")):
    for i in range(10):
        for k in range(16):
            T.prefetch(a[T.min(i + 2, 9) * 64 + k * 2], 0, 3, 1)
            T.prefetch(a[T.min(i + 2, 9) * 64 + k * 2 + 32], 0, 3, 1)
            b[i] = b[i] + a[i * 64 + k * 2] + a[i * 64 + k * 2 + 1] + a[i * 64 + k * 2 + 32] + b[k]
"""


def test_one_load_a_line_is_fetched() -> None:
    check(T.PrefetchAhead(), BEFORE, AFTER)


TILE = """
@T.prim_func
def main(a: T.Buffer((640,), "float32"), b: T.Buffer((640,), "float32")):
    for i in T.serial(10, annotations={"prefetch_ahead": 1}):
        for k in range(4):
            b[i * 64 + k * 16:i * 64 + k * 16 + 16] = a[k * 160 + i * 16:k * 160 + i * 16 + 16]
"""

FETCHED = """
@T.prim_func
def main(a: T.Buffer((640,), "float32"), b: T.Buffer((640,), "float32")):
    for i in range(10):
        for k in range(4):
            T.prefetch(a[k * 160 + T.min(i + 1, 9) * 16], 0, 3, 1)
            T.prefetch(b[T.min(i + 1, 9) * 64 + k * 16], 1, 3, 1)
            b[i * 64 + k * 16:i * 64 + k * 16 + 16] = a[k * 160 + i * 16:k * 160 + i * 16 + 16]
"""


def test_vectors_and_what_is_written() -> None:
    check(T.PrefetchAhead(), TILE, FETCHED)


SUM = """
@T.prim_func
def main(a: T.Buffer(640, "float32"), b: T.Buffer(640, "float32"), c: T.Buffer(64, "float32")):
    for i in T.serial(10, annotations={"prefetch_first": 1}):
        for j in range(4):
            for k in range(4):
                b[i * 64 + j] = b[i * 64 + j] + c[k]
            b[i * 64 + j] = b[i * 64 + j] + a[i * 64 + j * 16] + c[j]
"""

READ_AFTER = """
@T.prim_func
def main(a: T.Buffer(640, "float32"), b: T.Buffer(640, "float32"), c: T.Buffer(64, "float32")):
    for i in range(10):
        for j in range(4):
            for k in range(4):
                T.prefetch(b[T.min(i + 1, 9) * 64 + j], 0, 3, 1)
                T.prefetch(a[T.min(i + 1, 9) * 64 + j * 16], 0, 3, 1)
                b[i * 64 + j] = b[i * 64 + j] + c[k]
            b[i * 64 + j] = b[i * 64 + j] + a[i * 64 + j * 16] + c[j]
"""


def test_what_is_read_after_a_sum_is_fetched_in_its_loop() -> None:
    check(T.PrefetchAhead(), SUM, READ_AFTER)


ROWS = """
@T.prim_func
def main(a: T.Buffer(2560, "float32"), b: T.Buffer(640, "float32"), c: T.Buffer(64, "float32")):
    for i in T.serial(10, annotations={"prefetch_first": 2}):
        for k in range(2):
            b[i * 64] = b[i * 64] + c[k]
        for m in T.unroll(4):
            b[i * 64 + m * 16:i * 64 + m * 16 + 16] = a[i * 32 + m * 512:i * 32 + m * 512 + 16]
            b[i * 64 + m * 16:i * 64 + m * 16 + 16] += (
                a[i * 32 + m * 512 + 16:i * 32 + m * 512 + 32]
            )
"""


def test_rows_of_lines_are_fetched_a_part_in_each_iteration() -> None:
    text = applied([T.UnrollLoop(), T.PrefetchAhead()], ROWS).script()
    fetched = [line.strip() for line in text.splitlines() if "prefetch(a" in line]
    assert fetched == [
        f"T.prefetch(a[T.min(i + 2, 9) * 32 + {place}], 0, 3, 1)"
        for place in (
            "k * 4 // 2 * 512",
            "(k * 4 // 2 + 1) * 512",
            "16 + k * 4 // 2 * 512",
            "16 + (k * 4 // 2 + 1) * 512",
        )
    ]


def test_places_that_a_later_statement_computes_are_not_known_before_it() -> None:
    later = """
    for i in T.serial(10, annotations={"prefetch_first": 1}):
        for k in range(4):
            b[i] = b[i] + c[k]
        if i > 3:
            for m in range(4):
                b[i] = b[i] + a[i * 64 + m * 16]
"""
    head, _, _ = SUM.partition("    for i")
    plain = head + later.replace(', annotations={"prefetch_first": 1}', "")
    fetched = plain.replace(
        "            b[i] = b[i] + c[k]",
        "            T.prefetch(b[T.min(i + 1, 9)], 0, 3, 1)\n            b[i] = b[i] + c[k]",
    )
    check(T.PrefetchAhead(), head + later, fetched)


def test_other_loops_stay() -> None:
    plain = BEFORE.replace(', annotations={"prefetch_ahead": 2}', "")
    check(T.PrefetchAhead(), plain, plain)


PANELS = """
@T.prim_func
def main(a: T.Buffer(1280, "float32"), b: T.Buffer(640, "float32"), c: T.Buffer(512, "float32")):
    for i in range(10):
        for j in range(4):
            for k in T.serial(4, annotations={"prefetch_next": 4}):
                b[i * 64 + j * 16:i * 64 + j * 16 + 16] += a[i * 128 + k * 32:i * 128 + k * 32 + 16]
                b[i * 64 + j * 16:i * 64 + j * 16 + 16] += (
                    a[i * 128 + k * 32 + 16:i * 128 + k * 32 + 32] * c[j * 128 + k]
                )
"""

QUARTERS = PANELS.replace(', annotations={"prefetch_next": 4}', "").replace(
    "(4):\n                b[",
    """(4):
                T.prefetch(a[T.min(i + 1, 9) * 128 + k * 32 + j * 2 // 4 * 16], 0, 3, 1)
                b[""",
)


def test_iterations_that_read_the_same_each_fetch_a_part_of_the_next() -> None:
    check(T.PrefetchAhead(), PANELS, QUARTERS)


FUSED = """
@T.prim_func
def main(a: T.Buffer(320, "float32"), b: T.Buffer(480, "float32")):
    for f in T.parallel(30):
        for k in T.serial(2, annotations={"prefetch_next": 3}):
            b[f * 16:f * 16 + 16] += a[f // 3 * 32 + k * 16:f // 3 * 32 + k * 16 + 16]
"""

LATER = """
@T.prim_func
def main(a: T.Buffer(320, "float32"), b: T.Buffer(480, "float32")):
    for f in T.parallel(30):
        for k in range(2):
            T.prefetch(a[T.min(f + 3, 29) // 3 * 32 + k * 16], 0, 3, 1)
            b[f * 16:f * 16 + 16] += a[f // 3 * 32 + k * 16:f // 3 * 32 + k * 16 + 16]
"""


def test_iterations_of_one_loop_share_what_they_read() -> None:
    check(T.PrefetchAhead(), FUSED, LATER)


def test_what_no_other_iteration_reads_is_fetched_by_the_one_before() -> None:
    once = FUSED.replace("f // 3", "f").replace("320", "960")
    fetched = LATER.replace("T.min(f + 3, 29) // 3", "T.min(f + 1, 29)")
    fetched = fetched.replace("f // 3", "f").replace("320", "960")
    check(T.PrefetchAhead(), once.replace('"prefetch_next": 3', '"prefetch_next": 1'), fetched)
    # where three were expected, this is what a loop over tiles leaves for its end
    check(T.PrefetchAhead(), once, once.replace(', annotations={"prefetch_next": 3}', ""))


def test_of_an_unknown_number_the_first_ones_fetch() -> None:
    for name, fetch in (("4", "4"), ("n", "n")):
        text = PANELS.replace("main(", "main(n: T.int32, ").replace("range(4)", f"range({name})")
        lines = applied(T.PrefetchAhead(), text).script().splitlines()
        found = [line.strip() for line in lines if "prefetch" in line]
        line = "j * 2 // 4 * 16" if fetch == "4" else "T.min(j, 1) * 16"
        assert found == [f"T.prefetch(a[T.min(i + 1, 9) * 128 + k * 32 + {line}], 0, 3, 1)"]


@pytest.mark.parametrize("index", ["p[i] * 64", "i * 64 // n"])
def test_what_only_a_guarded_index_may_compute_is_not_computed_before(index: str) -> None:
    text = f"""
@T.prim_func
def main(a: T.Buffer(640, "float32"), b: T.Buffer(640, "float32"), p: T.Buffer(16, "int32"),
         n: T.int32):
    for i in range(10):
        for j in range(4):
            for k in T.serial(4, annotations={{"prefetch_next": 4}}):
                if n > i:
                    b[k * 16:k * 16 + 16] = a[{index} + k * 16:{index} + k * 16 + 16]
"""
    check(T.PrefetchAhead(), text, text.replace(', annotations={"prefetch_next": 4}', ""))


@pytest.mark.parametrize("name", ["prefetch_ahead", "prefetch_first", "prefetch_next"])
@pytest.mark.parametrize("value", ['"abc"', "-3", "2.5", "True", "[1, 2]"])
def test_annotations_that_are_no_numbers(name: str, value: str) -> None:
    text = BEFORE.replace('"prefetch_ahead": 2', f'"{name}": {value}')
    with pytest.raises(CompileError, match=f"'{name}' of loop `i` is a number of iterations, f"):
        applied(T.PrefetchAhead(), text)
