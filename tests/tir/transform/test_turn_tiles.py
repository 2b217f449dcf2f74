"""Square local tiles that are read by columns are turned by shuffles."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright.script import from_source
from tilewright.tir import transform as T

from .cases import check

SMALL = """
@T.prim_func
def main(a: T.Buffer((16,), "float32"), b: T.Buffer((16,), "float32")):
    near_data = T.allocate([16], "float32", "local")
    near = T.Buffer((16,), data=near_data, scope="local")
    for k in range(4):
        near[k * 4:k * 4 + 4] = a[k * 4:k * 4 + 4]
    for k in range(4):
        b[k * 4:k * 4 + 4] = near[k:k + 16:4]
"""

STEPS = """
r0 = near[T.int64(0):T.int64(4)]
r1 = near[T.int64(4):T.int64(8)]
r2 = near[T.int64(8):T.int64(12)]
r3 = near[T.int64(12):T.int64(16)]
s0 = T.Shuffle([r0, r1], [0, 4, 1, 5])
s1 = T.Shuffle([r0, r1], [2, 6, 3, 7])
s2 = T.Shuffle([r2, r3], [0, 4, 1, 5])
s3 = T.Shuffle([r2, r3], [2, 6, 3, 7])
t0 = T.Shuffle([s0, s2], [0, 1, 4, 5])
t1 = T.Shuffle([s0, s2], [2, 3, 6, 7])
t2 = T.Shuffle([s1, s3], [0, 1, 4, 5])
t3 = T.Shuffle([s1, s3], [2, 3, 6, 7])
"""


def turned() -> str:
    """`SMALL` with the steps between its two loops, the columns read as rows."""
    head, first, last = SMALL.split("    for k in")
    lines, indent = [], "    "
    for step in STEPS.strip().splitlines():
        name, value = step.split(" = ")
        lines.append(f"{indent}with T.LetStmt({value}) as {name}:")
        indent += " "
    lines += [f"{indent}near[T.int64({4 * k}):T.int64({4 * k + 4})] = t{k}" for k in range(4)]
    last = last.replace("near[k:k + 16:4]", "near[k * 4:k * 4 + 4]")
    return "    for k in".join([head, first]) + "\n".join(lines) + "\n    for k in" + last


def test_a_tile_is_turned_once_it_is_written() -> None:
    check(T.TurnTiles(), SMALL, turned())


@pytest.mark.parametrize("old, new", [
    ("near[k:k + 16:4]", "near[k * 4:k * 4 + 4]"),  # rows
    ("near[k:k + 16:4]", "near[k:k + 16:4] + near[k * 4:k * 4 + 4]"),  # rows, too
    ("for k in range(4):\n        b", "for k in range(4):\n        near[0] = a[k]\n        b"),
    ('[16], "float32", "local"', '[16], "float32", "global"'),
    ("allocate([16]", "allocate([24]"),
])  # fmt: skip
def test_what_is_no_turned_tile_stays(old: str, new: str) -> None:
    changed = SMALL.replace(old, new)
    if '"global"' in new:
        changed = changed.replace(', scope="local"', "")
    assert changed != SMALL
    check(T.TurnTiles(), changed, changed)


@pytest.mark.parametrize("size", [2, 4, 8, 16, 32])
@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "float64"])
def test_a_turned_tile_holds_its_columns(size: int, dtype: str) -> None:
    n, total = size, size * size
    source = f"""
@T.prim_func
def main(a: T.Buffer(({total},), "{dtype}"), b: T.Buffer(({total},), "{dtype}")):
    near_data = T.allocate([{total}], "{dtype}", "local")
    near = T.Buffer(({total},), "{dtype}", data=near_data, scope="local")
    for k in range({n}):
        near[k * {n}:k * {n} + {n}] = a[k * {n}:k * {n} + {n}]
    for k in range({n}):
        b[k * {n}:k * {n} + {n}] = near[k:k + {total}:{n}]
"""
    mod = tw.IRModule({"main": from_source(source)})
    assert "Shuffle" in T.TurnTiles()(mod).script()
    given = (np.arange(total) % 251 - 125).astype(dtype)
    out = tw.nd.array(np.zeros(total, dtype))
    tw.build(mod, target="llvm")(tw.nd.array(given), out)
    np.testing.assert_array_equal(out.numpy(), given.reshape(n, n).T.ravel())
