"""Whatever stands in an attribute prints and parses to the same, wherever attributes stand."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tilewright import relax, tir
from tilewright.ffi.container import Array, Map
from tilewright.ir import GlobalVar, IRModule, Range, VDevice
from tilewright.ir import type as ty
from tilewright.ir.base import EnvFunc
from tilewright.ir.op import Op
from tilewright.ir.structural import assert_structural_equal
from tilewright.runtime.ndarray import tensor
from tilewright.runtime.source_module import CSourceModule
from tilewright.script import from_source
from tilewright.support.dtypes import dtype_of
from tilewright.support.errors import DiagnosticError
from tilewright.target import Target
from tilewright.te import comm_reducer

TENSORS = (
    "bool", "int8", "uint8", "int32", "int64", "uint64", "float16", "float32", "float64",
    "bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn",
    "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip
Make = Callable[[tir.Var, tir.Buffer], Any]


def plain() -> dict[str, Make]:
    """Values without variables."""
    texts = (
        "",
        "a\"b'",
        "two\nlines\t",
        "\u00fc\u65e5\U0001f600\u2028",
        "\\",
        "\0\x7f\r",
        "\ud800",
    )
    one, two = tir.Var("l", "float32"), tir.Var("r", "float32")
    made: dict[str, Any] = {
        "integers": [0, -1, 2**31, -(2**63)],
        "floats": [0.0, -0.0, 0.1, 1e300, 1e-310, math.nan, math.inf, -math.inf],
        "truth": [True, False, None],
        "texts": list(texts),
        "nested": {"a": [1, [2.5, "x", {"b": True}], ()], "c": {}, "d": []},
        "keys": {1: "one", -2: "two"},
        "bytes": b"ab\x00\xff",
        "of numpy": [np.int64(3), np.float32(2.5), np.bool_(True)],
        "containers": Map({"a": Array([1, 2])}),
        "kind": tir.ForKind.PARALLEL,
        "constants": [tir.const(1, d) for d in ("int32", "int64", "bool", "uint8", "float32")],
        "of text": tir.StringImm('a\n"b"'),
        "layouts": [
            tir.IndexMap.from_func(lambda i, j: (j, i // 4, i % 4), index_dtype="int32"),
            tir.IndexMap.from_func(lambda i: i + 1, inverse_index_map=lambda i: i - 1),
        ],
        "targets": [Target("llvm -mcpu=znver4"), Target("cuda", host="llvm")],
        "infos": [
            relax.ObjectStructInfo(), relax.TensorStructInfo((2, 3), "float32"),
            relax.TensorStructInfo(), relax.TupleStructInfo(()), relax.ShapeStructInfo(ndim=2),
            relax.FuncStructInfo.opaque_func(),
        ],
        "types": [
            ty.PrimType("int32"), ty.PointerType(ty.PrimType("float32"), "shared"),
            ty.TupleType((ty.PrimType("int8"),)), ty.OpaqueType("Thing"), relax.ObjectType(),
        ],
        "values": [
            relax.const(1.5, "float32"), relax.const(np.arange(6.0).reshape(2, 3)),
            relax.Tuple([relax.PrimValue(3)]), relax.ShapeExpr([1, 2]), relax.StringImm("a"),
            relax.DataTypeImm("float16"), relax.ExternFunc("f"),
        ],
        "names": [GlobalVar("other"), Op.get("tir.exp"), EnvFunc.get("ffi.SystemLib")],
        "device": VDevice("llvm", 0, "global"),
        "source": CSourceModule('int x = "1";\n', ["f"]),
        "reducer": tir.CommReducer([one], [two], [one + two], [tir.const(0, "float32")]),
        "program": IRModule({"f": tir.PrimFunc([], tir.Evaluate(0))}),
        "shapes": [tensor(np.zeros((0, 3), "float32")), tensor(np.array(3.5, "float32"))],
        "arrays": [np.array(3.5), np.zeros((0, 2), "int8"), np.array([1, 2]), np.ones((9, 9))],
    }  # fmt: skip
    for dtype in TENSORS:
        made[dtype] = tensor(np.array([[1, 0], [0, 1]]).astype(dtype_of(dtype).numpy))
    return {name: lambda x, a, v=v: v for name, v in made.items()}


def with_names() -> dict[str, Make]:
    """Values with a variable `x` and a buffer `a`, of the program or of nothing else."""
    fresh = tir.Var("y", "int32")
    return {
        "expressions": lambda x, a: [x + 1, tir.Select(x > 1, x, x), tir.Ramp(x, 2, 4)],
        "bindings": lambda x, a: tir.Let(fresh, x, fresh + 1),
        "variables": lambda x, a: [x, tir.Var("free", "int64"), tir.SizeVar("n", "int32")],
        "memory": lambda x, a: [
            a,
            a.data,
            a[0, x],
            tir.BufferRegion(a, [Range(0, 4), Range(x, 1)]),
        ],
        "ranges": lambda x, a: [Range(0, x), Range(x, x + 2), Range(tir.const(1, "int64"), 7)],
        "axes": lambda x, a: [
            tir.IterVar(Range(0, x), tir.Var("k", "int32"), 2),
            tir.IterVar(None, tir.Var("t", "int32"), 1, "threadIdx.x"),
        ],
        "infos of sizes": lambda x, a: [
            relax.PrimStructInfo(value=x),
            relax.ShapeStructInfo([x.astype("int64")]),
        ],
        "layout": lambda x, a: tir.IndexMap.from_func(lambda i: i + x, index_dtype="int32"),
        "statement": lambda x, a: tir.SeqStmt([tir.Evaluate(x), tir.Evaluate(1)]),
        "loop": lambda x, a: tir.For(v := tir.Var("i", "int32"), 0, x, 0, tir.Evaluate(v)),
        "function": lambda x, a: tir.PrimFunc([v := tir.Var("z", "int32")], tir.Evaluate(v)),
    }


VALUES = {**plain(), **with_names()}


def loops(make: Make, around: Callable[[Any, tir.Stmt], tir.Stmt], **attrs: Make) -> tir.PrimFunc:
    """A function whose body is under what `around` makes of a value."""
    x, handle = tir.Var("x", "int32"), tir.Var("handle", "handle")
    a = tir.decl_buffer((8, 16), "float32", "A")
    given = {key: one(x, a) for key, one in attrs.items()}
    return tir.PrimFunc(
        [x, handle], around(make(x, a), tir.Evaluate(x)), buffer_map={handle: a},
        attrs={"global_symbol": "main", **given},
    )  # fmt: skip


def _memory(dtype: str) -> tir.Var:
    return tir.Var("p", ty.PointerType(ty.PrimType(dtype), "global"))


def _block(value: Any, body: tir.Stmt) -> tir.Stmt:
    inner = tir.Block([], [], [], "inner", body, annotations={"k": value})
    root = tir.Block([], [], [], "root", tir.BlockRealize([], True, inner))
    return tir.BlockRealize([], True, root)


def _called(value: Any, body: tir.Stmt) -> tir.Stmt:
    call = tir.Call("float32", "tir.exp", [tir.const(1.0)], annotations={"k": value})
    return tir.SeqStmt([tir.Evaluate(call), body])


STATEMENTS: dict[str, Callable[[Any, tir.Stmt], tir.Stmt]] = {
    "block": _block,
    "loop": lambda v, s: tir.For(tir.Var("i", "int32"), 0, 8, 1, s, annotations={"k": v}),
    "allocate": lambda v, s: tir.Allocate(_memory("int8"), "int8", [8], True, s, {"k": v}),
    "constant": lambda v, s: tir.AllocateConst(
        _memory("int32"), "int32", [2], np.array([1, 2], "int32"), s, {"k": v}
    ),
    "call": _called,
    "node": lambda v, s: tir.AttrStmt(v, 'the "key"', 1, s),
}


def graph(make: Make, attrs: bool = False, call: bool = False, module: bool = False) -> IRModule:
    """A graph program with a value in the attributes of its function, its call, or itself."""
    value = {"k": make(tir.Var("x", "int32"), tir.decl_buffer((8, 16), "float32", "A"))}
    bb = relax.BlockBuilder()
    n = relax.Var("n", relax.TensorStructInfo((tir.Var("m", "int64"), 3), "float32"))
    with bb.function("main", [n], attrs=value if attrs else None):
        relu = relax.Call(Op.get("relax.nn.relu"), [n], value if call else None)
        bb.emit_func_output(bb.emit(relu))
    made: IRModule = bb.get()
    return made.with_attr("k", value["k"]) if module else made


PLACES: dict[str, Callable[[Make], Any]] = {
    "function": lambda make: loops(lambda x, a: None, lambda v, s: s, k=make),
    **{name: lambda m, around=around: loops(m, around) for name, around in STATEMENTS.items()},
    "graph": lambda make: graph(make, attrs=True),
    "operator": lambda make: graph(make, call=True),
    "module": lambda make: graph(make, module=True),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", VALUES)
def test_attributes_come_back(name: str, place: str) -> None:
    program = PLACES[place](VALUES[name])
    text = program.script(show_meta=True)
    again = from_source(text, check_well_formed=False)
    assert_structural_equal(program, again, map_free_vars=True)
    assert again.script(show_meta=True) == text


def test_values_without_words_are_named_where_the_text_is_read() -> None:
    for value in (comm_reducer(lambda x, y: x + y, lambda t: tir.const(0, t)), {1}):
        func = tir.PrimFunc([], tir.Evaluate(0), attrs={"k": [value]})
        with pytest.raises(DiagnosticError, match=f"no words for a {type(value).__name__}"):
            from_source(func.script())


def test_a_tensor_is_in_the_metadata_once() -> None:
    weights = tensor(np.arange(4.0))
    func = tir.PrimFunc([], tir.Evaluate(0), attrs={"a": weights, "b": [weights]})
    text = func.script()
    assert text.startswith("# The metadata is left out, script(show_meta=True) writes it.\n")
    assert text.count('metadata["runtime.Tensor"][0]') == 2
    with pytest.raises(Exception, match=r"use script\(show_meta=True\)"):
        from_source(text, check_well_formed=False)
    again = from_source(func.script(show_meta=True), check_well_formed=False).attrs["a"]
    assert type(again) is type(weights)
    np.testing.assert_array_equal(again.numpy(), weights.numpy())
