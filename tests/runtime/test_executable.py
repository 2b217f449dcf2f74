"""Executables: text, JSON and bytes, verification."""

from __future__ import annotations

import json
import math
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tilewright.ffi import dtype as ffi_dtype
from tilewright.runtime import serialize, tensor, verify
from tilewright.runtime.executable import (
    INSTRUCTIONS,
    AllocStorage,
    AllocTensor,
    BindDim,
    BindScalar,
    CallClosure,
    CallFunction,
    CallKernel,
    CallPacked,
    CheckShape,
    CheckTensor,
    CheckTuple,
    Const,
    DimOp,
    Executable,
    GetItem,
    Goto,
    If,
    Imm,
    Instruction,
    KillReg,
    MakeClosure,
    MakeShape,
    MakeTuple,
    Move,
    NewTensor,
    Reg,
    Ret,
    SetSlot,
    Slot,
    VMFunction,
)
from tilewright.support.errors import ArgumentError, CompileError

N = Slot(0)
EVERYTHING = (
    CheckTuple(0, 2, "pair"),
    GetItem(2, 0, 0),
    CheckTensor(2, "float32", 2, (BindDim(0), 4), "pair.0", span="input"),
    GetItem(3, 0, 1),
    CheckShape(3, (None, BindDim(1), DimOp("floordiv", N, 2)), "pair.1"),
    BindScalar(2, 1, "k"),
    SetSlot(3, DimOp("max", DimOp("mul", N, 4), Slot(2))),
    MakeShape(4, (N, 4)),
    AllocStorage(5, Slot(3)),
    AllocTensor(6, 5, 0, (N, 4), "float32"),
    CallKernel("scale", (Reg(2), Reg(6)), (Slot(3), Imm(math.inf)), ("int64", "float32")),
    NewTensor(7, (N,), "bfloat16"),
    CallPacked("f", (Reg(7), Const(0), Imm("text"), Imm(ffi_dtype("int8")), Imm(None)), Reg(8)),
    KillReg(7),
    If(DimOp("gt", N, 3), 17),
    CallFunction("main", (Reg(0), Imm(True)), Reg(8)),
    Goto(18),
    Move(8, Const(0)),
    MakeClosure(9, "main", (Reg(8),)),
    CallClosure(8, 9, (Reg(0),)),
    MakeTuple(8, (Reg(8), Imm(-2.5))),
    Ret(8),
)


def everything() -> Executable:
    main = VMFunction("main", ("pair", "k"), 10, 4, EVERYTHING, slot_names=("n", "m"))
    return Executable({"main": main}, [tensor(np.arange(3, dtype="float32"))], attrs={"x": [1]})


def test_the_sample_uses_every_instruction() -> None:
    assert {type(i) for i in EVERYTHING} == set(INSTRUCTIONS.values())


def test_integers_become_registers_and_slots() -> None:
    assert Move(1, 0) == Move(Reg(1), Reg(0))
    assert BindScalar(2, 1) == BindScalar(Slot(2), Reg(1))
    assert MakeShape(1, [1, 2]).dims == (1, 2)  # type: ignore[arg-type]
    assert [10, 20, 30][Reg(1)] == 20


def test_text() -> None:
    lines = everything().as_text().splitlines()
    assert lines[0] == "@main(pair, k):  # 10 registers, 4 slots"
    assert lines[3].split(None, 1)[1] == (
        "check_tensor(%2, 'float32', 2, dims=[bind $0, 4], context='pair.0')  # input"
    )
    assert lines[7].split(None, 1)[1] == "set_slot($3, max(($0 * 4), $2))"
    assert lines[10].split(None, 1)[1] == "%6 = alloc_tensor(%5, 0, [$0, 4], 'float32')"
    assert lines[15].split(None, 1)[1] == "if(($0 > 3), 17)"


def test_python_text_builds_the_same_functions() -> None:
    executable = everything()
    scope: dict[str, Any] = {}
    exec(executable.as_python().replace("Imm(value=inf)", "Imm(float('inf'))"), scope)
    assert scope["functions"] == executable.functions


def test_stats_count_what_is_called() -> None:
    stats = everything().stats()
    assert "constants (#1): 3 float32 (12 bytes)" in stats
    assert "kernels (#1): scale" in stats
    assert "instructions: 22" in stats


def test_bytes_bring_everything_back() -> None:
    executable = everything()
    again = serialize.from_bytes(serialize.to_bytes(executable))
    assert again.functions == executable.functions
    assert again.attrs == {"x": [1]}
    assert again.constants[0].numpy().tolist() == [0, 1, 2]
    call = again.functions["main"].instructions[12]
    assert isinstance(call, CallPacked) and isinstance(call.args[3].value, ffi_dtype)  # type: ignore[union-attr]


def test_files_bring_everything_back(tmp_path: Any) -> None:
    path = tmp_path / "model.twx"
    serialize.save(everything(), path)
    assert serialize.load(path).functions == everything().functions
    with pytest.raises(ArgumentError, match="cannot read"):
        serialize.load(tmp_path / "none.twx")


def test_damaged_bytes_are_refused_and_never_crash() -> None:
    data = serialize.to_bytes(everything())
    for size in (0, 7, 20, 100, len(data) - 65):
        with pytest.raises(ArgumentError):
            serialize.from_bytes(data[:size])
    noise = random.Random(1)
    header = int.from_bytes(data[16:24], "little")
    for _ in range(200):
        damaged = bytearray(data)
        damaged[noise.randrange(24 + header)] ^= 1 << noise.randrange(8)
        with pytest.raises(ArgumentError):
            serialize.from_bytes(damaged)


def mutated(tree: Any, noise: random.Random) -> Any:
    """`tree` with one node, somewhere, replaced by something else."""
    junk = [None, -1, 0, 2.5, 1 << 80, "x", [], {}, [1], {"r": 0}, {"add": [1, 2]}, True]
    if not isinstance(tree, (list, dict)) or not tree or noise.random() < 0.05:
        return noise.choice(junk)
    if isinstance(tree, list):
        index = noise.randrange(len(tree))
        return [mutated(v, noise) if i == index else v for i, v in enumerate(tree)]
    key = noise.choice(list(tree))
    return {k: mutated(v, noise) if k == key else v for k, v in tree.items()}


def test_well_formed_files_with_nonsense_inside_are_refused() -> None:
    noise = random.Random(2)
    data = serialize.to_bytes(everything())
    size = int.from_bytes(data[16:24], "little")
    header = json.loads(data[24 : 24 + size])
    refused = 0
    for _ in range(600):
        text = json.dumps(mutated(header, noise)).encode()
        head = struct.pack("<8sIIQ", b"TWTENSOR", 1, zlib.crc32(text), len(text))
        body = head + text
        body += bytes(-len(body) % 64) + data[-64:]
        try:
            serialize.from_bytes(body)
        except (ArgumentError, CompileError):
            refused += 1
    assert refused > 300


def json_with(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    table = serialize.to_json(everything())
    change(table)
    return table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(version=99), "version 99"),
        (lambda t: t.update(kind="params"), "no executable"),
        (lambda t: t["functions"][0].pop("params"), "damaged executable: function"),
        (lambda t: t["functions"][0].update(num_slots=-1), "no index"),
        (lambda t: t["functions"][0]["instructions"][0].update(op="Boom"), "unknown instruction"),
        (lambda t: t["functions"][0]["instructions"][0].pop("size"), "CheckTuple has fields"),
        (lambda t: t["functions"][0]["instructions"][0].update(src={"q": 1}), "unknown operand"),
        (
            lambda t: t["functions"][0]["instructions"][0].update(src=[1]),
            "src should be an operand",
        ),
        (lambda t: t["functions"][0]["instructions"][7].update(dims="ab"), "dims should be"),
    ],
)
def test_damaged_json_is_refused(change: Callable[[dict[str, Any]], None], message: str) -> None:
    with pytest.raises((ArgumentError, CompileError), match=message):
        serialize.from_json(json_with(change), everything().constants)


# ---- verification ------------------------------------------------------------------------------


def check(*instructions: Instruction, params: tuple[str, ...] = ("x",), registers: int = 4) -> None:
    function = VMFunction("main", params, registers, 2, instructions, slot_names=("n",))
    verify(Executable({"main": function}, []))


def test_a_loop_is_fine() -> None:
    check(
        SetSlot(0, 0),
        If(DimOp("lt", N, 10), 4),
        SetSlot(0, DimOp("add", N, 1)),
        Goto(1),
        Ret(Reg(0)),
    )


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        ((Ret(Reg(4)),), "register 4 does not exist"),
        ((Ret(Reg(1)),), "register 1 may be read before it is set"),
        ((Ret(Const(0)),), "constant 0 does not exist; there are 0"),
        ((MakeShape(1, (Slot(2),)), Ret(Reg(1))), "slot 2 does not exist"),
        ((MakeShape(1, (N,)), Ret(Reg(1))), r"slot 0 \(n\) may be read before it is bound"),
        ((Goto(5), Ret(Reg(0))), "jumps to 5, past the end"),
        ((Move(1, 0),), "runs past the end"),
        ((), "runs past the end"),
        ((KillReg(0), Ret(Reg(0))), "register 0 may be read"),
        ((If(Imm(True), 2), Move(1, 0), Ret(Reg(1))), "register 1 may be read"),
        ((CallFunction("g", ()), Ret(Reg(0))), "no function 'g'"),
        ((CallFunction("main", ()), Ret(Reg(0))), "takes 1 arguments, 0 are given"),
        ((NewTensor(1, (-1,), "float32"), Ret(Reg(1))), "dims should be non-negative"),
        ((NewTensor(1, (1,), "float3"), Ret(Reg(1))), "dtype should be a dtype"),
        ((MakeShape(1, (DimOp("pow", 1, 2),)), Ret(Reg(1))), "dims should be"),  # type: ignore[arg-type]
        ((CheckTensor(0, None, 2, (Slot(1), BindDim(1))), Ret(Reg(0))), "slot 1"),
        ((CheckTensor(0, None, 1, (2, 3)), Ret(Reg(0))), "2 dims for a tensor of rank 1"),
        ((Ret("x"),), "src should be an operand"),  # type: ignore[arg-type]
        (("ret",), "str is no instruction"),
    ],
)
def test_faults_are_found(instructions: tuple[Instruction, ...], message: str) -> None:
    with pytest.raises(CompileError, match=message):
        check(*instructions)


def test_faults_name_the_instruction_and_the_models_node() -> None:
    with pytest.raises(CompileError, match=r"(?s)instruction 0.*--> conv1.*ret\(%3\)"):
        check(Ret(Reg(3), span="conv1"))


def test_a_slot_bound_earlier_in_the_same_check_may_be_used() -> None:
    check(CheckTensor(0, "float32", 2, (BindDim(0), N), "x"), Ret(Reg(0)))


def test_too_few_registers_for_the_parameters() -> None:
    with pytest.raises(CompileError, match="2 parameters but only 1 registers"):
        check(Ret(Reg(0)), params=("x", "y"), registers=1)
