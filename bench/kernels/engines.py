"""Each engine's way to run a case: a function to time, and one that gives the result."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from tilewright.cli.kernels import of_reports

from ..peers import OURS, Array
from .cases import Case

Run = Callable[[], Any]
Prepared = tuple[Run, Callable[[], Array], float]
"""What to time; its last result; the share of the time that counts (see `prepare_tilewright`)."""

PROFILES = 9
BORDERS = ("layout_transform", "pad_layout_transform")
LINEAR = ("matmul",)


def prepare_tilewright(case: Case, arrays: list[Array]) -> Prepared:
    """The computation compiled as a program of its own, with its weights as constants.

    In a model images stay in blocks of channels from one convolution to the next; alone, a
    convolution changes the layout before and after. That part does not count: the share of the
    other kernels, by the profile, is that of the time.
    """
    import tilewright as tw
    from tilewright import relax
    from tilewright.target import Target

    count = len(case.inputs)
    builder = relax.BlockBuilder()
    params = [
        relax.Var(f"x{k}", relax.TensorStructInfo(relax.ShapeExpr(array.shape), str(array.dtype)))
        for k, array in enumerate(arrays[:count])
    ]
    with builder.function("main", params):
        with builder.dataflow():
            weights = [relax.const(array) for array in arrays[count:]]
            out = builder.emit_output(case.ours(relax.op, *params, *weights))
        builder.emit_func_output(out)
    executable = tw.compile(builder.get(), Target("llvm"))
    vm = relax.VirtualMachine(executable, tw.cpu())
    main = vm["main"]
    values = [tw.nd.array(array) for array in arrays[:count]]
    last: list[Any] = []

    def run() -> None:
        last[:] = [main(*values)]

    run()
    return run, lambda: np.asarray(last[0].numpy()), _share(vm, values)


def _share(vm: Any, values: list[Any]) -> float:
    """How much of the time is not spent at the borders."""
    reports = [vm.profile("main", *values) for _ in range(PROFILES)]
    rows = of_reports(reports, {}, threads=1, machine=None).rows
    inside = sum(row.us for row in rows if not row.kernel.startswith(BORDERS))
    return inside / sum(row.us for row in rows) if rows else 1.0


def prepare_numpy(case: Case, arrays: list[Array]) -> Prepared | None:
    """NumPy, with OpenBLAS for products; None where it has no such function."""
    function = case.numpy
    if function is None:
        return None
    last: list[Array] = []

    def run() -> None:
        last[:] = [function(np, *arrays)]

    run()
    return run, lambda: last[0], 1.0


def prepare_torch(case: Case, arrays: list[Array]) -> Prepared:
    """torch's own functions, channels last for images."""
    import torch

    tensors = _tensors(case, arrays)
    return _with_torch(lambda: case.torch(torch, *tensors))


def prepare_onednn(case: Case, arrays: list[Array]) -> Prepared | None:
    """oneDNN's products and convolutions with weights in its own layout; None for the rest."""
    import torch

    tensors = _tensors(case, arrays)
    if case.family in LINEAR:
        x, w = tensors
        packed = torch.ops.mkldnn._reorder_linear_weight(w.t().contiguous(), x.shape[0])
        return _with_torch(
            lambda: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
        )
    convolution = _convolution_options(case) if case.images and case.weights else None
    if convolution is None:
        return None
    x, w = tensors
    packed = torch.ops.mkldnn._reorder_convolution_weight(w, *convolution, list(x.shape))
    return _with_torch(
        lambda: torch.ops.mkldnn._convolution_pointwise(
            x, packed, None, *convolution, "none", [], ""
        )
    )


def _convolution_options(case: Case) -> tuple[list[int], list[int], list[int], int] | None:
    """Padding, strides, dilation and groups: what the case gives to torch's `conv2d`."""
    from types import SimpleNamespace

    found: list[dict[str, Any]] = []
    functional = SimpleNamespace(
        conv2d=lambda x, w, **options: found.append(options),
        conv_transpose2d=lambda x, w, **options: None,
    )
    case.torch(SimpleNamespace(nn=SimpleNamespace(functional=functional)), None, None)
    if not found:
        return None
    options = found[0]
    pairs = ([options[key]] * 2 for key in ("padding", "stride", "dilation"))
    padding, stride, dilation = pairs
    return padding, stride, dilation, options["groups"]


def _tensors(case: Case, arrays: list[Array]) -> list[Any]:
    import torch

    tensors = [torch.from_numpy(array) for array in arrays]
    if case.images:
        last = torch.channels_last
        tensors = [t.contiguous(memory_format=last) if t.dim() == 4 else t for t in tensors]
    return tensors


def _with_torch(function: Run) -> Prepared:
    import torch

    last: list[Any] = []

    def run() -> None:
        with torch.inference_mode():
            last[:] = [function()]

    run()
    return run, lambda: np.asarray(last[0].numpy()), 1.0


ENGINES: dict[str, Callable[[Case, list[Array]], Prepared | None]] = {
    OURS: prepare_tilewright,
    "numpy": prepare_numpy,
    "torch": prepare_torch,
    "onednn": prepare_onednn,
}
PACKAGES = {OURS: "tilewright", "numpy": "numpy", "torch": "torch", "onednn": "torch"}


def installed(engine: str) -> bool:
    """Whether the package of an engine is there."""
    return importlib.util.find_spec(PACKAGES[engine]) is not None


def set_threads(engine: str, count: int) -> None:
    """So many threads for an engine; NumPy's come from the environment of the process."""
    if engine == OURS:
        from tilewright.runtime import set_num_threads

        set_num_threads(count)
    elif PACKAGES[engine] == "torch":
        import torch

        torch.set_num_threads(count)
