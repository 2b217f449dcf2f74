"""What an executable tells of its kernels."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright.driver.facts import KERNELS, KernelFacts, facts_of, kernel_facts
from tilewright.ir.module import IRModule
from tilewright.runtime import serialize
from tilewright.runtime.executable import Executable
from tilewright.script.parser import from_source

Exponential = from_source("""
@I.ir_module
class Exponential:
    @R.function
    def main(x: R.Tensor(("n", 8), "float32")) -> R.Tensor(("n", 8), "float32"):
        y = R.exp(x)
        return y
""")


@pytest.fixture(scope="module")
def executable() -> Executable:
    return tw.compile(Exponential, "llvm").plain


def test_symbolic_work_is_known_once_the_sizes_are(executable: Executable) -> None:
    ((name, facts),) = kernel_facts(executable).items()
    assert name == "exp"
    assert facts.scalars == ("n",)
    assert facts.at([3]) == (24, 2 * 3 * 8 * 4)
    assert facts.at([]) == (None, None)
    assert facts.schedule.startswith("Fallback: elementwise float32x")


def test_facts_are_kept_with_the_executable(executable: Executable) -> None:
    again = serialize.from_json(serialize.to_json(executable), executable.constants)
    assert kernel_facts(again) == kernel_facts(executable)


def test_facts_of_another_version_are_left_out() -> None:
    other = Executable({}, attrs={KERNELS: {"f": {"flops": 1}, "g": 3}})
    assert kernel_facts(other) == {}
    assert kernel_facts(Executable({})) == {}


def test_constant_work_needs_no_sizes() -> None:
    assert KernelFacts(12, 48, "float32", "").at([]) == (12, 48)


def test_work_that_depends_on_values_is_not_known() -> None:
    program = from_source("""
@T.prim_func
def some(n: T.Buffer((1,), "int64"), a: T.Buffer((8,), "float32")):
    for i in range(n[0]):
        a[i] = a[i] + T.float32(1)
""")
    (facts,) = facts_of(IRModule.from_expr(program), IRModule.from_expr(program)).values()
    assert facts["flops"] is None


def test_the_kernel_still_computes() -> None:
    vm = tw.relax.VirtualMachine(tw.compile(Exponential, "llvm"), tw.cpu())
    x = np.linspace(-1, 1, 16, dtype="float32").reshape(2, 8)
    np.testing.assert_allclose(vm["main"](tw.nd.array(x)).numpy(), np.exp(x), rtol=1e-6)
