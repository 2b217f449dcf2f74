"""DataflowUseInplaceCalls: elementwise results take over the memory of arguments that end there."""

from __future__ import annotations

from collections import Counter
from operator import is_
from typing import Any

from ...ir.expr import GlobalVar
from ...ir.functor import post_order_visit
from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.structural import structural_equal
from ...ir.transform import Pass
from ...tir.buffer import Buffer
from ...tir.expr import BufferLoad
from ...tir.function import PrimFunc
from ...tir.op import is_const_int
from ...tir.stmt import BufferStore
from ...tir.stmt_functor import renew_defs, substitute
from ..analysis.variables import bindings_of, uses_of
from ..base import Expr
from ..block_builder import BlockBuilder
from ..dims import all_equal
from ..expr import (
    Binding,
    BindingBlock,
    Call,
    DataflowBlock,
    DataflowVar,
    Function,
    Tuple,
    Var,
    VarBinding,
)
from ..op._declare import Declaration
from ..op.base import call_tir_inplace
from ..struct_info import TensorStructInfo
from ._calls import is_call_of
from ._pass import module_level
from .eliminate_common_subexpr import EliminateCommonSubexpr
from .legalize_ops import kernel_call

FUSABLE = "out_elemwise_fusable"


def _declaration(value: Expr) -> Declaration | None:
    is_operator = isinstance(value, Call) and isinstance(value.op, Op)
    return value.op.get_attr("declaration") if is_operator else None  # type: ignore[attr-defined]


def _is_fresh(value: Expr) -> bool:
    """Whether a value certainly lies in memory of its own."""
    declared = _declaration(value)
    computes = declared is not None and (declared.elementwise or declared.pattern == FUSABLE)
    return computes or is_call_of(value, "call_tir")


class _Ends:
    """The variables of a function whose memory is free for the one value that uses them."""

    def __init__(self, func: Function) -> None:
        self.uses: Counter[Var] = Counter(uses_of(func.body.body))
        self.fresh: set[Var] = set()
        known_early: set[Var] = set()
        for binding in bindings_of(func):
            value = binding.value
            used = set(uses_of(value))
            self.uses.update(used)
            if used <= known_early:  # constants are folded, and then shared by all calls
                known_early.add(binding.var)
            elif isinstance(binding, VarBinding) and _is_fresh(value):
                self.fresh.add(binding.var)

    def end(self, var: object) -> bool:
        """Whether `var` is used once, and nothing else shares its memory.

        With one use, whatever order later passes give the other bindings does not matter.
        """
        return isinstance(var, DataflowVar) and self.uses[var] == 1 and var in self.fresh


def _has_same_elements(func: PrimFunc, given: Buffer, result: Buffer) -> bool:
    """Whether each element of `result` is stored once its own element of `given` has been read,
    and no other is read from then on."""
    if given.dtype != result.dtype or not structural_equal(given.shape, result.shape):
        return False
    accesses: list[Any] = []

    def look(node: Any) -> None:
        if isinstance(node, (BufferLoad, BufferStore)) and node.buffer in (given, result):
            accesses.append(node)

    post_order_visit(func.body, look)
    stores = [a for a in accesses if isinstance(a, BufferStore)]
    if len(stores) != 1 or stores[0].buffer is not result or accesses[-1] is not stores[0]:
        return False
    within: list[Any] = []
    post_order_visit(stores[0].value, within.append)
    return all(
        load.buffer is given and _is_same_place(load, stores[0])
        for load in accesses[:-1]
        if any(load is node for node in within)
    )


def _is_same_place(load: BufferLoad, store: BufferStore) -> bool:
    pairs = zip(load.indices, store.indices, load.buffer.shape, strict=True)
    return all(is_const_int(extent, 1) or structural_equal(i, j) for i, j, extent in pairs)


def _inplace_kernel(func: PrimFunc, index: int) -> PrimFunc | None:
    """`func` with its result in the memory of the argument `index`, or None."""
    *inputs, out = func.params
    given, result = func.buffer_map[inputs[index]], func.buffer_map[out]
    if not _has_same_elements(func, given, result):
        return None
    body = substitute(func.body, {result: given, result.data: given.data})
    buffers = {param: func.buffer_map[param] for param in inputs}
    made: PrimFunc = renew_defs(func.replace(params=tuple(inputs), body=body, buffer_map=buffers))
    return made


class _Inplace:
    def __init__(self, mod: IRModule) -> None:
        self.builder = BlockBuilder(mod)

    def function(self, func: Function) -> Function:
        """The function with calls of kernels that write over an argument."""
        ends = _Ends(func)
        blocks = tuple(self._block(block, ends) for block in func.body.blocks)
        if all(map(is_, blocks, func.body.blocks)):
            return func
        return func.replace(body=func.body.replace(blocks=blocks))

    def _block(self, block: BindingBlock, ends: _Ends) -> BindingBlock:
        if not isinstance(block, DataflowBlock):
            return block
        bindings = tuple(self._binding(binding, ends) for binding in block.bindings)
        return (
            block if all(map(is_, bindings, block.bindings)) else block.replace(bindings=bindings)
        )

    def _binding(self, binding: Binding, ends: _Ends) -> Binding:
        declared = _declaration(binding.value)
        if not isinstance(binding, VarBinding) or declared is None or not declared.elementwise:
            return binding
        call, info = binding.value, binding.var.struct_info
        assert isinstance(call, Call)
        if not any(ends.end(arg) and _fits(arg, info) for arg in call.args):
            return binding
        scratch = BlockBuilder()
        made = kernel_call(scratch, declared, call)
        kernel, arguments = made.args[0], made.args[1]
        assert isinstance(kernel, GlobalVar) and isinstance(arguments, Tuple)
        if len(made.args) > 2:  # sizes that no array tells
            return binding
        for index in reversed(range(len(arguments.items))):
            if ends.end(arguments.items[index]) and _fits(arguments.items[index], info):
                new = _inplace_kernel(scratch.get()[kernel], index)
                if new is not None:
                    return self._replaced(binding, declared, new, arguments, index)
        return binding

    def _replaced(
        self, binding: VarBinding, declared: Declaration, kernel: PrimFunc, args: Tuple, index: int
    ) -> VarBinding:
        name = f"{declared.short_name.rsplit('.', 1)[-1]}_inplace"
        var = self.builder.add_func(kernel, name)
        value = call_tir_inplace(var, args, index, binding.value.struct_info)
        return binding.replace(value=value.replace(span=binding.value.span))


def _fits(arg: Expr, info: Any) -> bool:
    given = arg.struct_info
    if not isinstance(given, TensorStructInfo) or not isinstance(info, TensorStructInfo):
        return False
    if given.dims is None or info.dims is None or given.vdevice is not info.vdevice:
        return False
    return bool(info.dtype) and given.dtype == info.dtype and all_equal(given.dims, info.dims)


def DataflowUseInplaceCalls() -> Pass:
    """z = add(x, y); w = multiply(z, y)   ->   ...; w = call_tir_inplace(multiply_inplace, (z, y))

    In dataflow blocks, for elementwise operators with an argument of the result's shape and type
    that was computed in the block and is used by nothing else. Equal values are shared before.
    """

    def transform(mod: IRModule) -> IRModule:
        shared = EliminateCommonSubexpr()(mod)
        inplace = _Inplace(mod)
        for var, func in shared.items():
            if isinstance(func, Function):
                made = inplace.function(func)
                if made is not func:
                    inplace.builder.update_func(var, made)
        return inplace.builder.get()

    return module_level("DataflowUseInplaceCalls", transform)
