"""Wrong arguments of public functions: an error that names the argument, what is expected and what
was given, never one from the inside."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tilewright import arith, ir, target, te, tir, topi, transform
from tilewright.support.errors import ArgumentError, ArgumentTypeError

PACKAGES = [arith, te, tir, topi, topi.nn, topi.image, topi.vision, topi.random, topi.sparse]
x = tir.Var("x", "int32")
A = te.placeholder((4, 5), name="A")
FOUR = ir.Range(0, 4)
EMPTY = tir.Evaluate(0)
TURNED = tir.IndexMap.from_func(lambda i, j: (j, i))


def copy(*shape: int) -> tir.PrimFunc:
    """A block that reads a buffer of this shape."""
    buffer, handle = tir.decl_buffer(shape, name="A"), tir.Var("a", "handle")
    region = tir.BufferRegion(buffer, [ir.Range(0, extent) for extent in shape])  # type: ignore[arg-type]
    block = tir.Block([], [region], [], "root", EMPTY)  # type: ignore[arg-type]
    return tir.PrimFunc([handle], tir.BlockRealize([], True, block), buffer_map={handle: buffer})  # type: ignore[arg-type]


COPY = copy(4)


def functions() -> Iterator[types.FunctionType]:
    """Those of the packages, without what other packages put under their names (`tir.build`)."""
    for package in PACKAGES:
        for name, value in vars(package).items():
            is_function = isinstance(value, types.FunctionType) and not name.startswith("_")
            if is_function and value.__module__.split(".")[1] in ("te", "tir", "topi"):
                yield value


def test_every_public_function_tells_of_its_arguments() -> None:
    found = list(functions())
    assert len(found) > 600
    for function in found:
        function.declared().usage()  # type: ignore[attr-defined]


CASES: list[tuple[str, str, str, Callable[[], Any]]] = [
    ("indices", "a list or a tuple", "3", lambda: arith.detect_iter_map(3, {x: FOUR})),
    ("input_iters", "a dict", "[x]", lambda: arith.detect_iter_map([x], [x])),
    ("input_iters", "each value a Range", "{x: 4}", lambda: arith.detect_iter_map([x], {x: 4})),
    ("var_list", "a list or a tuple", "x", lambda: arith.detect_linear_equation(x, x)),
    ("relations", "is a list", "7", lambda: arith.IntConstraints([x], {x: FOUR}, 7)),
    ("ranges", "a dict", "3", lambda: arith.solve_linear_equations([x == 0], [x], 3)),
    ("ranges", "a dict", "3", lambda: arith.solve_linear_inequalities([x <= 0], [x], 3)),
    ("region", "a list or a tuple", "a Range",
     lambda: arith.estimate_region_lower_bound(FOUR, {x: FOUR}, True)),
    ("dom_map", "a dict", "3", lambda: arith.Analyzer().int_set(x, 3)),
    ("type_key", "a string", "[1]", lambda: ir.make_node([1])),  # type: ignore[arg-type]
    ("function", "a function", "3", lambda: ir.post_order_visit(x, 3)),  # type: ignore[arg-type]
    ("name", "a string", "3", lambda: ir.register_op(3)),  # type: ignore[arg-type]
    ("name", "a string", "[1]", lambda: ir.register_op_attr([1], "key", 1)),  # type: ignore[arg-type]
    ("attribute", "a string", "3", lambda: ir.register_op_attr("tir.exp", 3, 1)),  # type: ignore[arg-type]
    ("module", "by name", "IRModule", lambda: ir.IRModule(ir.IRModule({"f": COPY}))),  # type: ignore[arg-type]
    ("final_indices", "a list", "True", lambda: tir.IndexMap([], True)),  # type: ignore[arg-type]
    ("data type", "a name", "[1]", lambda: tir.Buffer(x, [1], [4])),  # type: ignore[arg-type, list-item]
    ("attrs", "a dict", "'a'", lambda: ir.IRModule({}, "a")),  # type: ignore[arg-type]
    ("pass", "a function", "3", lambda: transform.module_pass(3)),
    ("pass", "a function", "3", lambda: tir.transform.prim_func_pass(3)),
    ("options", "a list of strings", "[1]", lambda: target.rasp([1])),  # type: ignore[list-item]
    ("options", "a list of strings", "3", lambda: target.mali("m", 3)),  # type: ignore[arg-type]
    ("data type", "a name", "[1]", lambda: tir.Cast([1], x)),  # type: ignore[arg-type]
    ("insts", "a list", "3", lambda: tir.schedule.Trace(3)),  # type: ignore[arg-type]
    ("constraints", "a dict", "3", lambda: tir.analysis.verify_gpu_code(COPY, 3)),  # type: ignore[arg-type]
    ("vmap", "a dict", "[1]", lambda: tir.stmt_functor.substitute(x, [1])),  # type: ignore[arg-type]
    ("fvisit", "a function", "3", lambda: tir.stmt_functor.post_order_visit(x, 3)),  # type: ignore[arg-type]
    ("only_enable", "names node types", "'For'",
     lambda: tir.stmt_functor.ir_transform(EMPTY, None, None, ["For"])),
    ("condition", "of bool", "3 of int32", lambda: arith.Analyzer().constraint_scope(3)),  # type: ignore[arg-type]
    ("condition", "of bool", "x of int32", lambda: arith.Analyzer().assume(x)),
    ("index", "an integer", "float32", lambda: arith.detect_iter_map([x * 2.0], {x: FOUR})),
    ("name", "a string", "3", lambda: tir.TensorIntrin.register(3, *2 * [COPY])),  # type: ignore[arg-type]
    ("name", "a string", "[1]", lambda: tir.TensorIntrin.get([1])),  # type: ignore[arg-type]
    ("buffer 0", "one shape", "[8]", lambda: tir.TensorIntrin(COPY, copy(8))),
    ("buffer 0", "one shape", "[4, 4]", lambda: tir.TensorIntrin(COPY, copy(4, 4))),
    ("layout", "string", "3", lambda: tir.layout(3)),
    ("src_layout", "a string or a Layout", "3", lambda: tir.bijective_layout(3, "NCHW")),
    ("indices", "a list or a tuple", "1", lambda: TURNED.map_indices(1)),
    ("shape", "a list or a tuple", "4", lambda: TURNED.inverse(4)),
    ("operator", "name", "3", lambda: ir.Op.get(3)),
    ("`a`", "a Tensor", "'x'", lambda: topi.transpose("x")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected", "given", "call"), CASES, ids=[f"{n}-{g}" for n, _, g, _ in CASES]
)
def test_a_wrong_argument_is_named(
    name: str, expected: str, given: str, call: Callable[[], Any]
) -> None:
    with pytest.raises(ArgumentError) as error:
        call()
    message = str(error.value)
    assert name in message
    assert expected in message
    assert given in message


def test_a_missing_argument_is_an_error_that_shows_them_all() -> None:
    with pytest.raises(ArgumentTypeError, match=r"`topi.matmul`.*'b'"):
        topi.matmul(A)  # type: ignore[call-arg]


def test_errors_of_functions_that_users_give_stay_their_own() -> None:
    with pytest.raises(ZeroDivisionError):
        te.compute((4,), lambda i: i + 1 // 0)


def test_tensors_are_no_lists() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        list(A)
