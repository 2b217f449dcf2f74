"""Tensors shared with PyTorch without copies, whichever package is imported first."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import tilewright as tw

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)
ORDERS = {
    "torch first": "import torch\nimport tilewright as tw",
    "torch last": "import tilewright as tw\nimport tilewright.relax\n"
    "assert 'torch' not in __import__('sys').modules\nimport torch",
}
SHARED = """
x = torch.arange(8.0).reshape(2, 4)
ours = tw.nd.from_dlpack(x)
x[0, 0] = 42
assert ours.numpy()[0, 0] == 42
back = torch.from_dlpack(ours)
assert back.data_ptr() == x.data_ptr()
half = torch.ones(2, dtype=torch.bfloat16)
assert tw.nd.from_dlpack(half).dtype == "bfloat16"
assert torch.equal(torch.from_dlpack(tw.nd.from_dlpack(half)), half)
"""
CALLED = """
builder = tw.relax.BlockBuilder()
info = tw.relax.TensorStructInfo((tw.tir.SizeVar("n", "int64"), 3), "float32")
v = tw.relax.Var("x", info)
with builder.function("main", [v]):
    builder.emit_func_output(builder.emit(tw.relax.op.add(v, v)))
made = tw.compile(builder.get(), "llvm")
for executor in ("native", "interpreter"):
    run = tw.relax.VirtualMachine(made, tw.cpu(), executor=executor)["main"]
    for x in (torch.ones(2, 3), torch.arange(6.0).reshape(3, 2).T, torch.ones(0, 3),
              torch.nn.Parameter(torch.ones(1, 3))):
        assert torch.equal(torch.from_dlpack(run(x)), 2 * x.detach())
    for wrong in (torch.ones(2, 4), torch.ones(2, 3).double(), torch.ones(2, 3, device="meta"),
                  torch.ones(2, 3).to_sparse()):
        try:
            run(wrong)
        except tw.error.ArgumentError:
            continue
        raise SystemExit(f"{wrong} was taken")
"""


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("work", [SHARED, CALLED], ids=["shared", "called"])
def test_tensors_are_exchanged(order: str, work: str) -> None:
    root = str(Path(tw.__file__).parents[1])
    code = f"import sys\nsys.path.insert(0, {root!r})\n{ORDERS[order]}\n{work}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
