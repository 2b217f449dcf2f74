"""Who is measured: each peer compiles a model file and returns two functions, `run` and `fetch`.

`run()` makes one inference from arrays that are ready; `fetch()` gives the outputs of the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Inputs = Mapping[str, Array]
Compiled = tuple[Callable[[], object], Callable[[], list[Array]]]
OURS = "tilewright"


def compile_tilewright(file: str, threads: int, inputs: Inputs) -> Compiled:
    """Our own: `compile` for this machine with no tuning, run by the virtual machine."""
    import onnx

    import tilewright as tw
    from tilewright.relax.frontend.onnx import from_onnx
    from tilewright.support.knobs import NUM_THREADS, set_environment

    set_environment(NUM_THREADS.variable, str(threads))
    executable = tw.compile(from_onnx(onnx.load(file)), target="llvm")
    main = tw.relax.VirtualMachine(executable, tw.cpu())["main"]
    arguments = [tw.nd.array(array) for array in inputs.values()]
    last: list[Any] = []

    def run() -> None:
        last[:] = [main(*arguments)]

    def fetch() -> list[Array]:
        value = last[0]
        return [value.numpy()] if hasattr(value, "numpy") else [item.numpy() for item in value]

    return run, fetch


def compile_onnxruntime(file: str, threads: int, inputs: Inputs) -> Compiled:
    """ONNX Runtime on its CPU provider, all graph optimizations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    feed = dict(inputs)
    last: list[Array] = []

    def run() -> None:
        last[:] = session.run(None, feed)

    return run, lambda: list(last)


def compile_openvino(file: str, threads: int, inputs: Inputs) -> Compiled:
    """OpenVINO's CPU plugin for low latency, in the model's own precision."""
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    model = openvino.Core().compile_model(file, "CPU", settings)
    request = model.create_infer_request()
    feed = dict(inputs)

    def run() -> None:
        request.infer(feed, share_inputs=True)

    def fetch() -> list[Array]:
        return [np.array(request.get_output_tensor(i).data) for i in range(len(model.outputs))]

    return run, fetch


PEERS: dict[str, Callable[[str, int, Inputs], Compiled]] = {
    OURS: compile_tilewright,
    "onnxruntime": compile_onnxruntime,
    "openvino": compile_openvino,
}


def installed(peer: str) -> bool:
    """Whether the package of `peer` is there."""
    return find_spec(peer) is not None


def version_of(peer: str) -> str:
    """The version of the package of `peer`, as far as it is known."""
    try:
        return version(peer)
    except PackageNotFoundError:
        return "unknown"
