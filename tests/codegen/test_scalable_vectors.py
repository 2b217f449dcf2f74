"""Vectors of as many lanes as the machine has become SVE's registers and predicates."""

import pytest

from tilewright.codegen.llvm.codegen import emit_module
from tilewright.codegen.llvm.compile import assembly
from tilewright.driver.kernels import machine_of
from tilewright.ir import IRModule
from tilewright.script.parser import from_source
from tilewright.support.errors import CompileError
from tilewright.target import Target
from tilewright.tir import transform as T

SVE = "llvm -mtriple=aarch64-linux-gnu -mattr=+v8.2a,+sve"
PROGRAM = """
@T.prim_func
def kernel(
    A: T.Buffer((100,), "float32"), B: T.Buffer((100,), "float32"),
    C: T.Buffer((100,), "int32"), n: T.int32,
):
    for i in range(T.ceildiv(100, 4 * T.vscale())):
        for j in T.vectorized(4 * T.vscale()):
            if i * (4 * T.vscale()) + j < n:
                B[i * (4 * T.vscale()) + j] = VALUE
"""
HERE = "i * (4 * T.vscale()) + j"


def compiled(value: str, target: str = SVE) -> tuple[str, str]:
    """The LLVM IR and the assembly of the loop that stores `value`; `@` stands for its index."""
    func = from_source(PROGRAM.replace("VALUE", value.replace("@", HERE)))
    mod = IRModule({"kernel": func})
    with Target(target) as t:
        for one in (T.FlattenBuffer(), T.Simplify(), T.VectorizeLoop(), T.BareKernel(),
                    T.LowerTVMBuiltin(), T.LowerIntrin()):  # fmt: skip
            mod = one(mod)
        text = emit_module({"kernel": mod["kernel"]}, t)
        return text, assembly(text, machine_of(t))


@pytest.mark.parametrize(
    ("value", "instructions"),
    [
        ("A[@] + T.float32(1)", ["whilelo", "ld1w", "st1w", "fadd"]),
        ("A[C[@]]", ["ld1w", "sxtw", "st1w"]),
        ("T.Cast('float32', @)", ["index", "scvtf", "st1w"]),
        ("A[(@) * 3]", ["ld1w", "st1w"]),
        ("T.exp(A[@])", ["fmla", "st1w"]),
        ("T.Cast('float32', T.Cast('float16', A[@]))", ["fcvt", "st1w"]),
        ("A[0]", ["ld1rw", "st1w"]),
    ],
)
def test_instructions(value: str, instructions: list[str]) -> None:
    text, code = compiled(value)
    assert "<vscale x 4 x float>" in text
    for one in instructions:
        assert one in code


def test_lanes_cannot_be_taken_one_by_one() -> None:
    with pytest.raises(CompileError, match=r"takes the 4 \* vscale\(\) lanes of a vector one by"):
        compiled("T.fmod(A[@], T.float32(3))")


def test_every_length_is_a_register_or_several() -> None:
    func = from_source("""
@T.prim_func
def kernel(A: T.Buffer((64,), "float16"), B: T.Buffer((64,), "float64")):
    B[T.Ramp(0, 1, T.vscale() * 8)] = T.Cast("float64xvscalex8", A[T.Ramp(0, 1, T.vscale() * 8)])
""")
    with Target(SVE) as t:
        mod = T.BareKernel()(IRModule({"kernel": func}))
        code = assembly(emit_module({"kernel": mod["kernel"]}, t), machine_of(t))
    assert code.count("st1d") + code.count("str\tz") == 4
