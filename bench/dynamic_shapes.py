"""What a kernel costs for sizes known at run time only, over the kernel for fixed ones.

python -m bench.dynamic_shapes --only softmax,conv --threads 1 --json dynamic.json

Each operator is compiled once with its sizes left open, and once for each size with all of them
given; both run in turns on the same arrays, in one process. The weights are arguments, so that
nothing is packed at compile time in either, except where a case says that they are constant.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import tilewright
from tilewright import relax, tir
from tilewright.cli.common import progress
from tilewright.cli.files import OutputFile
from tilewright.runtime import set_num_threads
from tilewright.support.progress import stage

from .options import COUNT, SECONDS, Command

op = relax.op
Size = int | str
Argument = tuple[tuple[Size, ...], str]
SIZES: tuple[dict[str, int], ...] = (
    {"n": 128, "m": 512, "b": 1, "h": 56, "q": 1},
    {"n": 197, "m": 300, "b": 4, "h": 28, "q": 4},
    {"n": 32, "m": 64, "b": 2, "h": 14, "q": 2},
)
"""What the letters of a case stand for, one size after the other."""


def _f32(*shape: Size) -> Argument:
    return shape, "float32"


def _constant_conv(channels: int) -> Callable[[Any], Any]:
    """A convolution by 3 x 3 windows with weights that are packed at compile time."""
    random = np.random.default_rng(0)
    taps = random.standard_normal((channels, channels, 3, 3), "float32") / (3 * channels**0.5)
    return lambda x: op.nn.conv2d(x, relax.const(taps), padding=1)


def _inverted_bottleneck(x: Any) -> Any:
    """Six times the channels, a 3x3 window of each, and the channels again, plus the input."""
    rng = np.random.default_rng(0)
    shapes = [(192, 32, 1, 1), (192, 1, 3, 3), (32, 192, 1, 1)]
    wide, own, narrow = [relax.const(rng.standard_normal(s).astype("float32")) for s in shapes]
    made = op.nn.relu(op.nn.conv2d(x, wide))
    made = op.nn.relu(op.nn.conv2d(made, own, padding=1, groups=192))
    return op.add(op.nn.conv2d(made, narrow), x)


IMAGES = _f32(1, 64, "h", "h")
CASES: dict[str, tuple[list[Argument], Callable[..., Any]]] = {
    "matmul n,768 x 768,768": ([_f32("n", 768), _f32(768, 768)], op.matmul),
    "matmul n,768 x 768,m": ([_f32("n", 768), _f32(768, "m")], op.matmul),
    "matmul n,m x m,768": ([_f32("n", "m"), _f32("m", 768)], op.matmul),
    "matmul 12,n,64 x 12,64,n": ([_f32(12, "n", 64), _f32(12, 64, "n")], op.matmul),
    "matmul 12,n,n x 12,n,64": ([_f32(12, "n", "n"), _f32(12, "n", 64)], op.matmul),
    "attention 1,n,12,64": ([_f32(1, "n", 12, 64)] * 3, op.nn.attention),
    "attention 1,m,12,64": ([_f32(1, "m", 12, 64)] * 3, op.nn.attention),
    "attention q of m,12,64": (
        [_f32(1, "q", 12, 64), *[_f32(1, "m", 12, 64)] * 2], op.nn.attention),
    "conv b,64,56,56 3x3": (
        [_f32("b", 64, 56, 56), _f32(64, 64, 3, 3)], lambda x, w: op.nn.conv2d(x, w, padding=1)),
    "conv 1,64,h,h 3x3": (
        [IMAGES, _f32(64, 64, 3, 3)], lambda x, w: op.nn.conv2d(x, w, padding=1)),
    "conv 1,64,h,h 3x3, constant": ([IMAGES], _constant_conv(64)),
    "conv 1,256,h,h 3x3, constant": ([_f32(1, 256, "h", "h")], _constant_conv(256)),
    "conv 1,64,h,h 1x1": ([IMAGES, _f32(128, 64, 1, 1)], op.nn.conv2d),
    "depthwise 1,64,h,h 3x3": (
        [IMAGES, _f32(64, 1, 3, 3)], lambda x, w: op.nn.conv2d(x, w, padding=1, groups=64)),
    "inverted bottleneck 1,32,h,h": ([_f32(1, 32, "h", "h")], _inverted_bottleneck),
    "max pool 1,64,h,h 3x3 / 2": (
        [IMAGES], lambda x: op.nn.max_pool2d(x, (3, 3), (2, 2), (1, 1))),
    "average pool 1,64,h,h 2x2 / 2": ([IMAGES], lambda x: op.nn.avg_pool2d(x, (2, 2), (2, 2))),
    "resize 1,64,h,h to 112": (
        [IMAGES],
        lambda x: op.image.resize2d(x, (112, 112), layout="NCHW",
                                    method="linear")),
    "resize 1,64,h,h to 2h": (
        [IMAGES],
        lambda x: op.image.resize2d(x, [d * 2 for d in x.struct_info.shape.values[2:]],
                                    layout="NCHW", method="linear")),
    "mean over images": ([IMAGES], lambda x: op.mean(x, axis=[2, 3])),
    "group norm 1,64,h,h": (
        [IMAGES, _f32(64), _f32(64)],
        lambda x, g, b: op.nn.group_norm(x, g, b, 8, 1, [2, 3])),
    "softmax n,768": ([_f32("n", 768)], op.nn.softmax),
    "softmax 128,n": ([_f32(128, "n")], op.nn.softmax),
    "layer norm n,768": (
        [_f32("n", 768), _f32(768), _f32(768)],
        lambda x, g, b: op.nn.layer_norm(x, g, b, axes=[-1])),
    "layer norm 128,m": (
        [_f32(128, "m"), _f32("m"), _f32("m")],
        lambda x, g, b: op.nn.layer_norm(x, g, b, axes=[-1])),
    "sum n,768 along rows": ([_f32("n", 768)], lambda x: op.sum(x, axis=1)),
    "sum n,768 along columns": ([_f32("n", 768)], lambda x: op.sum(x, axis=0)),
    "sum 768,n along rows": ([_f32(768, "n")], lambda x: op.sum(x, axis=1)),
    "cumsum n,768": ([_f32("n", 768)], lambda x: op.cumsum(x, axis=1)),
    "argmax n,768": ([_f32("n", 768)], lambda x: op.argmax(x, axis=1)),
    "gelu n,3072": ([_f32("n", 3072)], op.nn.gelu),
    "add n,m + m": ([_f32("n", "m"), _f32("m")], op.add),
    "transpose n,m": ([_f32("n", "m")], op.permute_dims),
    "transpose 1,n,12,64": (
        [_f32(1, "n", 12, 64)], lambda x: op.permute_dims(x, (0, 2, 1, 3))),
    "concat n,768 + n,768": (
        [_f32("n", 768), _f32("n", 768)], lambda x, y: op.concat([x, y], axis=1)),
    "take n of 30000,768": (
        [_f32(30000, 768), (("n",), "int64")], lambda x, i: op.take(x, i, axis=0)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """An operator at one size: medians in microseconds, and the open kernel's over the fixed."""

    case: str
    sizes: dict[str, int]
    fixed_us: float
    open_us: float
    ratio: float


def letters(case: str) -> list[str]:
    """The sizes that are open in a case."""
    arguments, _ = CASES[case]
    return sorted({size for shape, _ in arguments for size in shape if isinstance(size, str)})


def build(case: str, sizes: dict[str, int] | None) -> Any:
    """The operator compiled for `sizes`, or for any."""
    arguments, function = CASES[case]
    names = letters(case)
    fixed = {name: tir.IntImm("int64", value) for name, value in (sizes or {}).items()}
    known = {name: fixed.get(name) or tir.Var(name, "int64") for name in names}
    builder = relax.BlockBuilder()
    given = []
    for k, (shape, dtype) in enumerate(arguments):
        extents = [known[d] if isinstance(d, str) else tir.IntImm("int64", d) for d in shape]
        info = relax.TensorStructInfo(relax.ShapeExpr(tuple(extents)), dtype)
        given.append(relax.Var(f"x{k}", info))
    with builder.function("main", given):
        builder.emit_func_output(builder.emit(function(*given)))
    library = tilewright.compile(builder.get(), "llvm")
    return relax.VirtualMachine(library, tilewright.cpu())["main"]


def arrays(case: str, sizes: dict[str, int]) -> list[Any]:
    """Random arguments."""
    random = np.random.default_rng(0)
    made = []
    for shape, dtype in CASES[case][0]:
        known = [sizes[d] if isinstance(d, str) else d for d in shape]
        values = (
            random.standard_normal(known) if dtype == "float32" else random.integers(50, size=known)
        )
        made.append(tilewright.runtime.tensor(values.astype(dtype)))
    return made


def in_turns(runs: Sequence[Callable[[], Any]], seconds: float) -> list[float]:
    """Medians of the seconds of a run, each measured for `seconds` altogether."""
    runs[0]()
    begin = time.perf_counter()
    runs[0]()
    once = max(1e-7, time.perf_counter() - begin)
    repeat = max(1, round(1e-3 / once))
    found: list[list[float]] = [[] for _ in runs]
    for _ in range(max(5, round(seconds / (once * repeat)))):
        for times, run in zip(found, runs, strict=True):
            begin = time.perf_counter()
            for _ in range(repeat):
                run()
            times.append((time.perf_counter() - begin) / repeat)
    return [median(times) for times in found]


def measure(case: str, sizes: Sequence[dict[str, int]], seconds: float) -> list[Row]:
    """One row a size. Raises `AssertionError` where the results differ by more than 1e-4 of the
    largest value."""
    rows, any_size = [], build(case, None)
    for every in sizes:
        own = {name: every[name] for name in letters(case)}
        fixed, given = build(case, own), arrays(case, own)
        want, got = fixed(*given).numpy(), any_size(*given).numpy()
        scale = float(np.abs(want).max()) or 1.0
        np.testing.assert_allclose(got / scale, want / scale, atol=1e-4, err_msg=f"{case} {own}")
        runs = [partial(f, *given) for f in (fixed, any_size)]
        one, other = in_turns(runs, seconds)
        rows.append(Row(case, own, one * 1e6, other * 1e6, other / one))
    return rows


def table(rows: Sequence[Row]) -> Table:
    """All rows, and the geometric mean of the ratios."""
    mean = math.exp(sum(math.log(r.ratio) for r in rows) / len(rows))
    made = Table(title=f"Sizes known at run time over fixed ones: {mean:.2f} (geometric mean)")
    for name in ("operator", "sizes", "fixed, us", "open, us", "ratio"):
        made.add_column(name, justify="left" if name in ("operator", "sizes") else "right")
    for r in rows:
        sizes = ", ".join(f"{name} = {value}" for name, value in r.sizes.items())
        style = "red" if r.ratio > 1.1 else ""
        made.add_row(r.case, sizes, f"{r.fixed_us:.1f}", f"{r.open_us:.1f}", f"{r.ratio:.2f}",
                     style=style)  # fmt: skip
    return made


@click.command(cls=Command, help=__doc__)
@click.option("--only", default="", help="Parts of the names of operators, separated by commas.")
@click.option("--threads", type=COUNT, default=1, show_default=True)
@click.option("--seconds", type=SECONDS, default=0.1, show_default=True, help="A kernel and size.")
@click.option("--json", "output", type=OutputFile(), help="Where to write all rows.")
def main(only: str, threads: int, seconds: float, output: str | None) -> None:
    """Measures and prints."""
    parts = [part.strip() for part in only.split(",") if part.strip()]
    chosen = [case for case in CASES if not parts or any(part in case for part in parts)]
    if not chosen:
        raise click.UsageError(f"no operator is named like {only}; there are {', '.join(CASES)}")
    set_num_threads(threads)
    rows: list[Row] = []
    with progress(), stage("Measure open sizes", len(chosen)) as step:
        for case in chosen:
            rows += measure(case, SIZES, seconds)
            step(case)
    Console().print(table(rows))
    if output:
        Path(output).write_text(json.dumps([asdict(r) for r in rows], indent=1))


if __name__ == "__main__":
    main()
