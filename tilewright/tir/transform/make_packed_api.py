"""The function that the outside calls: tvm-ffi's convention, every argument checked.

For each function with a `global_symbol` `k` a second one, `__tvm_ffi_k`, is made: it takes
`(self, args, num_args, result)`, checks number, type, rank, dtype, shape, strides, alignment and
device of the arguments, binds the variables of shapes, and calls the bare kernel `k`.
"""

from __future__ import annotations

from typing import Any

from ...ir.expr import BaseFunc, GlobalVar, IntImm, PrimExpr
from ...ir.functor import post_order_visit
from ...ir.module import IRModule
from ...ir.transform import ModulePass, Pass, PassContext, PassInfo
from ...ir.type import PrimType, void_type
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError, ArgumentRangeError, ArgumentTypeError, TVMError
from .. import op as O
from ..accesses import as_indices
from ..arith import Analyzer
from ..buffer import Buffer, decl_buffer
from ..expr import BufferLoad, Call, StringImm, Var, pointer
from ..function import PrimFunc
from ..stmt import AssertStmt, Evaluate, IfThenElse, LetStmt, SeqStmt, Stmt
from ..stmt_functor import substitute
from .make_unpacked_api import bare_kernel, is_public, kernel_params, on_host, with_bare_kernels

PREFIX = "__tvm_ffi_"
DATA, SHAPE, STRIDES, NDIM, CODE, BITS, LANES, OFFSET, DEVICE_TYPE = 1, 2, 3, 4, 5, 6, 7, 8, 10
ANY_TYPE, ANY_VALUE, ANY_ZERO = 13, 14, 15
NONE, INT, BOOL, FLOAT, POINTER, DLTENSOR, TENSOR = 0, 1, 2, 3, 4, 7, 70
OBJECT_HEADER = 24
CODES = {
    "int": 0, "uint": 1, "float": 2, "handle": 3, "bfloat": 4, "bool": 6, "float8_e3m4": 7,
    "float8_e4m3": 8, "float8_e4m3b11fnuz": 9, "float8_e4m3fn": 10, "float8_e4m3fnuz": 11,
    "float8_e5m2": 12, "float8_e5m2fnuz": 13, "float8_e8m0fnu": 14, "float6_e2m3fn": 15,
    "float6_e3m2fn": 16, "float4_e2m1fn": 17,
}  # fmt: skip
DEVICES = {"llvm": 1, "c": 1, "cpu": 1, "cuda": 2, "opencl": 4, "vulkan": 7, "metal": 8, "rocm": 10}


def _get(dtype: str, base: PrimExpr, index: int, kind: int) -> PrimExpr:
    return Call(dtype, "tir.tvm_struct_get", (base, IntImm("int32", index), IntImm("int32", kind)))


def _start(tensor: PrimExpr) -> PrimExpr:
    """The address of a tensor's first element."""
    parts = (_get("handle", tensor, 0, DATA), _get("int64", tensor, 0, OFFSET))
    return Call("handle", "tir.handle_add_byte_offset", parts)


class _Wrapper:
    """Collects statements; those that wrap what follows are kept as a chain."""

    def __init__(self, func: PrimFunc, symbol: str, kernel: str) -> None:
        self.func, self.symbol, self.kernel = func, symbol, kernel
        self.self_handle = Var("self_handle", "handle")
        self.args = Var("args", "handle")
        self.num_args = Var("num_args", "int32")
        self.result = Var("result", "handle")
        self.chain: list[Stmt] = []
        self.positions = {p: index for index, p in enumerate(func.params)}
        self.bound: dict[Var, PrimExpr] = {}
        self.analyzer = Analyzer()
        self.tensors: dict[Var, PrimExpr] = {}
        names = [func.buffer_map[p].name if p in func.buffer_map else p.name for p in func.params]
        self.order = ", ".join(names)

    # ---- building ---------------------------------------------------------------------------

    def let(self, name: str, value: PrimExpr, dtype: Any = None) -> Var:
        """A name for `value` in what follows."""
        var = Var(name, dtype or value.dtype)
        self.chain.append(LetStmt(var, value, Evaluate(0)))  # type: ignore[arg-type]
        return var

    def check(self, condition: PrimExpr, kind: type[TVMError], text: str) -> None:
        """What follows runs only if `condition` holds."""
        condition = self.analyzer.simplify(condition)
        if not O.is_const_int(condition, 1):
            message = StringImm(f"{kind.__name__}: `{self.symbol}({self.order})`: {text}")
            self.chain.append(AssertStmt(condition, message, Evaluate(0)))  # type: ignore[arg-type]

    def check_unless(
        self, skip: PrimExpr, condition: PrimExpr, kind: type[TVMError], text: str
    ) -> None:
        """The same where `skip` does not hold; `condition` is not computed there."""
        message = StringImm(f"{kind.__name__}: `{self.symbol}({self.order})`: {text}")
        inner = AssertStmt(condition, message, Evaluate(0))  # type: ignore[arg-type]
        self.chain.append(IfThenElse(O.logical_not(skip), inner))

    def build(self, last: Stmt) -> Stmt:
        """The chain around `last`."""
        body = last
        for stmt in reversed(self.chain):
            if isinstance(stmt, (LetStmt, AssertStmt)):
                body = stmt.replace(body=body)
            else:
                body = SeqStmt((stmt, body))
        return body

    # ---- arguments --------------------------------------------------------------------------

    def run(self) -> Stmt:
        """The body of the packed function."""
        params = self.func.params
        count = len(params)
        self.check(O.equal(self.num_args, count), ArgumentTypeError, f"expected {count} arguments")
        for index, param in enumerate(params):
            self._argument(index, param)
        buffers = [(p, self.func.buffer_map[p]) for p in params if p in self.func.buffer_map]
        shapes = {p: self._shape(p, b) for p, b in buffers}
        for param, buffer in buffers:
            self._bind_dims(buffer, shapes[param])
        for param, buffer in buffers:
            self._check_dims(buffer, shapes[param])
            self._check_strides(param, buffer, shapes[param])
            self._data(param, buffer, shapes[param])
        return self.build(self._call())

    def _argument(self, index: int, param: Var) -> None:
        kind = self.let(f"{param.name}_type", _get("int32", self.args, index, ANY_TYPE))
        name = self._label(param)
        if param in self.func.buffer_map or param.dtype == "handle":
            self._handle(index, param, kind, name)
            return
        info = dtype_of(param.dtype)
        if info.is_float:
            self.check(
                O.any(O.equal(kind, FLOAT), O.equal(kind, INT), O.equal(kind, BOOL)),
                ArgumentTypeError, f"{name} must be a number ({param.dtype})",
            )  # fmt: skip
            whole = O.cast(_get("int64", self.args, index, ANY_VALUE), param.dtype)
            value = O.if_then_else(
                O.equal(kind, FLOAT), _get(param.dtype, self.args, index, ANY_VALUE), whole
            )
        else:
            self.check(
                O.any(O.equal(kind, INT), O.equal(kind, BOOL)),
                ArgumentTypeError, f"{name} must be an integer ({param.dtype})",
            )  # fmt: skip
            value = self._integer(index, param, name)
        self._bind(param, value)

    def _integer(self, index: int, param: Var, name: str) -> PrimExpr:
        info = dtype_of(param.dtype)
        wide = self.let(f"{param.name}_value", _get("int64", self.args, index, ANY_VALUE))
        if info.is_bool:
            return O.not_equal(wide, 0)
        if info.bits < 64:
            inside = O.all(wide >= int(info.min_value), wide <= int(info.max_value))
            self.check(inside, ArgumentRangeError, f"{name} does not fit into {param.dtype}")
        return O.cast(wide, param.dtype)

    def _label(self, param: Var) -> str:
        buffer = self.func.buffer_map.get(param)
        position = self.positions[param]
        return f"argument {position} `{buffer.name if buffer is not None else param.name}`"

    def _handle(self, index: int, param: Var, kind: Var, name: str) -> None:
        is_tensor = O.any(O.equal(kind, TENSOR), O.equal(kind, DLTENSOR))
        raw = self.let(f"{param.name}_raw", _get("handle", self.args, index, ANY_VALUE))
        header = O.if_then_else(O.equal(kind, TENSOR), OBJECT_HEADER, 0)
        tensor = Call("handle", "tir.handle_add_byte_offset", (raw, O.cast(header, "int64")))
        if param in self.func.buffer_map:
            buffer = self.func.buffer_map[param]
            what = f"a tensor of {buffer.dtype} with {buffer.ndim} dimensions"
            self.check(is_tensor, ArgumentTypeError, f"{name} must be {what}")
            self.tensors[param] = self.let(f"{param.name}_tensor", tensor)
            self._check_kind(param, buffer, name)
            return
        self.check(
            O.any(is_tensor, O.equal(kind, POINTER), O.equal(kind, NONE)),
            ArgumentTypeError, f"{name} must be a tensor or an address",
        )  # fmt: skip
        value = O.if_then_else(is_tensor, _start(tensor), raw)
        self._bind(param, value)

    def _check_kind(self, param: Var, buffer: Buffer, name: str) -> None:
        tensor, info = self.tensors[param], dtype_of(buffer.dtype)
        self.check(
            O.equal(_get("int32", tensor, 0, NDIM), buffer.ndim),
            ArgumentError, f"{name} must have {buffer.ndim} dimensions",
        )  # fmt: skip
        fields = ((CODE, CODES[info.code]), (BITS, info.bits), (LANES, info.lanes))
        same = O.every(O.equal(_get("int32", tensor, 0, f), value) for f, value in fields)
        self.check(same, ArgumentTypeError, f"{name} must be of {buffer.dtype}")
        device = DEVICES.get(_kind_of(self.func.attrs.get("target")), 1)
        self.check(
            O.equal(_get("int32", tensor, 0, DEVICE_TYPE), device),
            ArgumentError, f"{name} must be on device type {device}",
        )  # fmt: skip

    # ---- shapes -----------------------------------------------------------------------------

    def _shape(self, param: Var, buffer: Buffer) -> list[PrimExpr]:
        if not buffer.ndim:
            return []
        name = f"{buffer.name}_shape"
        memory = self.let(name, _get("handle", self.tensors[param], 0, SHAPE), pointer("int64"))
        array = decl_buffer((buffer.ndim,), "int64", name, data=memory)
        return [
            self.let(f"{buffer.name}_dim{i}", BufferLoad(array, as_indices((i,))))
            for i in range(buffer.ndim)
        ]

    def _bind(self, var: Var, value: PrimExpr) -> None:
        if var in self.bound:
            return
        self.chain.append(LetStmt(var, O.cast(value, var.dtype) if var.dtype != "handle" else value,
                                  Evaluate(0)))  # type: ignore[arg-type]  # fmt: skip
        self.bound[var] = var

    def _bind_dims(self, buffer: Buffer, shape: list[PrimExpr]) -> None:
        for dim, given in zip(buffer.shape, shape, strict=True):
            if isinstance(dim, Var):
                self._bind(dim, given)

    def _check_dims(self, buffer: Buffer, shape: list[PrimExpr]) -> None:
        for axis, (dim, given) in enumerate(zip(buffer.shape, shape, strict=True)):
            text = f"dimension {axis} of `{buffer.name}` must be {dim}"
            if _known(dim, self.bound):
                self.check(O.equal(given, O.cast(dim, "int64")), ArgumentError, text)

    def _check_strides(self, param: Var, buffer: Buffer, shape: list[PrimExpr]) -> None:
        if not buffer.ndim:
            return
        name = f"{buffer.name}_strides"
        memory = self.let(name, _get("handle", self.tensors[param], 0, STRIDES), pointer("int64"))
        array = decl_buffer((buffer.ndim,), "int64", name, data=memory)
        absent = Call("bool", "tir.isnullptr", (memory,))
        compact: list[PrimExpr] = []
        step: PrimExpr = IntImm("int64", 1)
        for given in reversed(shape):
            compact.insert(0, step)
            step = O.multiply(step, given)
        if buffer.strides:
            for axis, stride in enumerate(buffer.strides):
                here = O.if_then_else(absent, compact[axis], BufferLoad(array, (axis,)))  # type: ignore[arg-type]
                if isinstance(stride, Var) and stride not in self.bound:
                    self._bind(stride, here)
                elif _known(stride, self.bound):
                    same = O.equal(here, O.cast(stride, "int64"))
                    small = O.less_equal(shape[axis], 1)
                    self.check(
                        O.any(small, same), ArgumentError,
                        f"stride {axis} of `{buffer.name}` must be {stride}",
                    )  # fmt: skip
            return
        fine = O.every(
            O.any(
                O.less_equal(shape[axis], 1),
                O.equal(BufferLoad(array, (axis,)), compact[axis]),  # type: ignore[arg-type]
            )
            for axis in range(buffer.ndim)
        )
        empty = O.equal(step, 0)
        self.check_unless(
            O.any(absent, empty), fine, ArgumentError,
            f"`{buffer.name}` must be compact in row-major order",
        )  # fmt: skip

    def _data(self, param: Var, buffer: Buffer, shape: list[PrimExpr]) -> None:
        tensor = self.tensors[param]
        missing = Call("bool", "tir.isnullptr", (_get("handle", tensor, 0, DATA),))
        sizes = zip(buffer.shape, shape, strict=True)
        empty = (O.equal(given, 0) for dim, given in sizes if not O.is_const_int(dim) or not dim)
        self.check(
            O.any(O.logical_not(missing), *empty),
            ArgumentError, f"the data of `{buffer.name}` must not be null",
        )  # fmt: skip
        self._bind(buffer.data, _start(tensor))
        size = max(1, dtype_of(dtype_of(buffer.dtype).element).bytes)
        if size > 1:
            address = Call("int64", "tir.reinterpret", (buffer.data,))
            aligned = O.equal(
                Call("int64", "tir.bitwise_and", (address, IntImm("int64", size - 1))), 0
            )
            self.check(
                aligned,
                ArgumentError,
                f"the data of `{buffer.name}` must be aligned to {size} bytes",
            )
        if isinstance(buffer.elem_offset, Var):
            self._bind(buffer.elem_offset, IntImm("int64", 0))

    # ---- the call ---------------------------------------------------------------------------

    def _call(self) -> Stmt:
        args = tuple(kernel_params(self.func))
        kernel = GlobalVar(self.kernel)
        returned = self.func.ret_type
        if isinstance(returned, PrimType):
            value = Var("returned", returned.dtype)
            call = Call(returned.dtype, kernel, args)
            return LetStmt(value, call, self._give_back(value))
        return Evaluate(Call("int32", kernel, args))

    def _give_back(self, value: Var) -> Stmt:
        info = dtype_of(value.dtype)
        kind = FLOAT if info.is_float else BOOL if info.is_bool else INT
        wide = O.cast(value, "float64" if info.is_float else "int64")
        return SeqStmt(tuple(
            Evaluate(Call("int32", "tir.tvm_struct_set",
                          (self.result, IntImm("int32", 0), IntImm("int32", field), given)))
            for field, given in ((ANY_TYPE, IntImm("int32", kind)), (ANY_ZERO, IntImm("int32", 0)),
                                 (ANY_VALUE, wide))
        ))  # fmt: skip


def _known(expr: PrimExpr, bound: dict[Var, PrimExpr]) -> bool:
    free: list[Var] = []
    post_order_visit(
        expr, lambda n: free.append(n) if isinstance(n, Var) and n not in bound else None
    )
    return not free


def _kind_of(target: Any) -> str:
    kind = getattr(target, "kind", target)
    return str(getattr(kind, "name", kind))


def packed_function(func: PrimFunc, symbol: str, kernel: str) -> PrimFunc:
    """`__tvm_ffi_<symbol>`, the checked way into what the module calls `kernel`."""
    wrapper = _Wrapper(func, symbol, kernel)
    body = wrapper.run()
    params = (wrapper.self_handle, wrapper.args, wrapper.num_args, wrapper.result)
    renamed = {var: var.copy_with_name(var.name) for var in wrapper.bound if isinstance(var, Var)}
    body = substitute(body, renamed)
    attrs = {"global_symbol": PREFIX + symbol, "tir.is_packed": True, "tir.noalias": False}
    if "target" in func.attrs:
        attrs["target"] = func.attrs["target"]
    return PrimFunc(params, body, PrimType("int32"), {}, attrs)


def _with_return_type(func: PrimFunc) -> PrimFunc:
    """A function made without saying so that it returns a value says so."""
    found: list[str] = []

    def look(node: Any) -> None:
        if isinstance(node, Call) and getattr(node.op, "name", "") == "tir.ret":
            found.append(node.dtype)

    if func.ret_type == void_type():
        post_order_visit(func.body, look)
    return func.replace(ret_type=PrimType(found[0])) if found else func


def _make_packed(mod: IRModule, ctx: PassContext) -> IRModule:
    del ctx
    kernels: dict[GlobalVar, PrimFunc] = {}
    entries: dict[GlobalVar, BaseFunc] = {}
    for var, func in mod.items():
        if is_public(func):
            func = _with_return_type(func)
            symbol = func.global_symbol()
            kernels[var] = on_host(bare_kernel(func))
            packed = packed_function(func, symbol, var.name_hint)
            entries[GlobalVar(PREFIX + symbol)] = on_host(packed)
    bare = with_bare_kernels(mod, kernels)
    return bare.with_functions({**bare.functions, **entries})


def MakePackedAPI() -> Pass:
    """k(A: Buffer((n,)))   ->   k(A: pointer, n) and __tvm_ffi_k(self, args, num_args, result)

    For each function with a `global_symbol`; both are functions of the target's host. Other
    functions stay as they are, but for their calls of such ones. Raises `ArgumentError` where a
    call of `k` does not give what it takes.
    """
    return ModulePass(_make_packed, PassInfo(0, "tir.MakePackedAPI"))
