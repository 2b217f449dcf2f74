"""FuseTIR: each group of kernel calls becomes one kernel."""

from __future__ import annotations

from typing import Any

from ...ir.expr import GlobalVar, PrimExpr, as_scalar
from ...ir.functor import Rewriter, on
from ...ir.module import IRModule
from ...ir.op import Op
from ...ir.structural import structural_equal, structural_hash
from ...ir.transform import Pass
from ...support.errors import CompileError
from ...tir import op as tir_op
from ...tir.buffer import Buffer, decl_buffer
from ...tir.expr import BufferLoad
from ...tir.expr import Var as TirVar
from ...tir.function import PrimFunc
from ...tir.stmt import Block, BlockRealize, Stmt, stmt_seq
from ...tir.stmt_functor import renew_defs
from ..analysis.variables import all_global_vars
from ..base import Expr, ShapeExpr
from ..block_builder import BlockBuilder
from ..dims import simplify
from ..expr import Call, Constant, Function, Tuple, Var, VarBinding
from ..expr_functor import PyExprMutator
from ..op.base import call_tir
from ..struct_info import ShapeStructInfo, TensorStructInfo, TupleStructInfo
from ..te import free_vars
from ._pass import module_level


class _Replace(Rewriter):
    """Replaces buffers and their memory, variables, and loads of scalar constants."""

    def __init__(
        self,
        buffers: dict[int, Buffer],
        env: dict[TirVar, PrimExpr],
        constants: dict[int, PrimExpr],
    ) -> None:
        self.buffers = buffers
        self.env = env
        self.constants = constants

    @on(Buffer)
    def buffer(self, buffer: Buffer) -> Any:
        known = self.buffers.get(id(buffer))
        return known if known is not None else self.rewrite_variable(buffer)

    @on(TirVar)
    def var(self, var: TirVar) -> PrimExpr:
        return self.env.get(var, var)

    @on(BufferLoad)
    def load(self, load: BufferLoad) -> PrimExpr:
        value = self.constants.get(id(load.buffer))
        return value if value is not None else self.rewrite_children(load)

    @on(Block)
    def block(self, block: Block) -> Block:
        made = self.rewrite_children(block)
        if not self.constants:
            return made
        reads = tuple(r for r in block.reads if id(r.buffer) not in self.constants)
        return made if len(reads) == len(block.reads) else made.replace(reads=self.rewrite(reads))


def scalar_constant(expr: Expr) -> PrimExpr | None:
    """The value of a constant of no dimensions, as an expression; None for others."""
    if not isinstance(expr, Constant) or expr.array.ndim != 0:
        return None
    return tir_op.const(expr.array.item(), expr.dtype)


class Merger:
    """Builds one kernel from the kernels that a group's function calls."""

    def __init__(self, mod: IRModule, func: Function, name: str) -> None:
        self.mod = mod
        self.func = func
        self.name = name
        self.buffers: dict[Var, Buffer] = {}
        self.constants: dict[int, tuple[Constant, Buffer]] = {}
        self.allocated: list[Buffer] = []
        self.inputs: list[tuple[Buffer, Any]] = []
        self.statements: list[Stmt] = []
        self.names: dict[str, int] = {}
        self.env: dict[TirVar, PrimExpr] = {}
        self.outputs: list[Buffer] = []

    def run(self) -> tuple[PrimFunc, list[Any], list[TirVar]]:
        """The kernel, what its inputs are (parameter indices or constants), its scalars."""
        for index, param in enumerate(self.func.params):
            if isinstance(param.struct_info, TensorStructInfo):
                self.buffers[param] = self._declare(param, param.name_hint)
                self.inputs.append((self.buffers[param], index))
        *inner, last = [b for block in self.func.body.blocks for b in block.bindings]
        if self.func.body.body is not last.var:
            raise CompileError(f"the group {self.name} does not return its last value")
        for binding in inner:
            self._call(binding, False)
        self._call(last, True)
        return self._function()

    def _declare(self, value: Expr, name: str) -> Buffer:
        info = value.struct_info
        if not isinstance(info, TensorStructInfo) or info.dims is None:
            raise CompileError(f"the group {self.name} has a value that is `{info}`")
        return self._buffer(info, name)

    def _buffer(self, info: TensorStructInfo, name: str) -> Buffer:
        count = self.names.get(name)
        self.names[name] = 0 if count is None else count + 1
        unique = name if count is None else f"{name}_{count + 1}"
        return decl_buffer(
            info.dims, info.dtype, "".join(c if c.isalnum() else "_" for c in unique)
        )

    def _call(self, binding: Any, is_last: bool) -> None:
        call: Any = binding.value
        kernel = renew_defs(self.mod[call.args[0]])
        outputs = self._results(binding.var, kernel, is_last)
        args: list[Any] = [*_items(call.args[1]), *outputs]
        scalars = _items(call.args[2]) if len(call.args) > 2 else []
        buffers: dict[int, Buffer] = {}
        constants: dict[int, PrimExpr] = {}
        env: dict[TirVar, PrimExpr] = {}
        for param, arg in zip(kernel.params, (*args, *scalars), strict=True):
            own = kernel.buffer_map.get(param)
            if own is None:
                env[param] = as_scalar(arg, param.dtype)
                continue
            value = None if isinstance(arg, Buffer) else scalar_constant(arg)
            if value is not None:
                constants[id(own)] = value
                continue
            target = arg if isinstance(arg, Buffer) else self._input(arg, own)
            buffers[id(own)] = target
            env[own.data] = target.data
            _match(own, target, env)
        self._append(_Replace(buffers, env, constants).run(kernel.body))

    def _results(self, var: Var, kernel: PrimFunc, is_last: bool) -> list[Buffer]:
        info = var.struct_info
        infos = info.items if isinstance(info, TupleStructInfo) else (info,)
        arrays = [b for p in kernel.params if (b := kernel.buffer_map.get(p)) is not None]
        named = zip(infos, arrays[-len(infos) :], strict=True)
        made = [self._buffer(i, b.name) for i, b in named]  # type: ignore[arg-type]
        if is_last:
            self.outputs = made
        else:
            self.allocated.extend(made)
            self.buffers[var] = made[0]
        return made

    def _input(self, arg: Expr, own: Buffer) -> Buffer:
        if isinstance(arg, Var):
            return self.buffers[arg]
        if isinstance(arg, Constant):
            known = self.constants.get(id(arg))
            if known is None:
                buffer = self._declare(arg, own.name)
                known = self.constants[id(arg)] = (arg, buffer)
                self.inputs.append((buffer, arg))
            return known[1]
        raise CompileError(f"the group {self.name} has an argument that is no variable")

    def _append(self, body: Stmt) -> None:
        is_root = isinstance(body, BlockRealize) and not body.block.iter_vars
        if is_root and not body.block.match_buffers:  # type: ignore[attr-defined]
            self.allocated.extend(body.block.alloc_buffers)  # type: ignore[attr-defined]
            body = body.block.body  # type: ignore[attr-defined]
        self.statements.append(body)

    def _function(self) -> tuple[PrimFunc, list[Any], list[TirVar]]:
        body = stmt_seq(self.statements)
        body, allocated = _unique_blocks(body), tuple(self.allocated)
        root = Block((), (), (), "root", body, None, allocated)
        arrays = (*(b for b, _ in self.inputs), *self.outputs)
        params = tuple(TirVar(f"p_{b.name}", "handle") for b in arrays)
        func = PrimFunc(
            params,
            BlockRealize((), tir_op.const(True, "bool"), root),
            buffer_map=dict(zip(params, arrays, strict=True)),
            attrs={"tir.noalias": True},
        )
        bound = {d for b, _ in self.inputs for d in b.shape if isinstance(d, TirVar)}
        free = free_vars(func)
        scalars = [v for v in free if v not in bound]
        func = func.replace(params=(*func.params, *scalars))
        if free:
            fresh = {v: v.copy_with_name(v.name) for v in free}
            func = _Replace({}, fresh, {}).run(func)  # type: ignore[arg-type]
        return func, [source for _, source in self.inputs], scalars


def _items(expr: Expr) -> list[Any]:
    if isinstance(expr, Tuple):
        return list(expr.items)
    if isinstance(expr, ShapeExpr):
        return list(expr.values)
    info = expr.struct_info
    if isinstance(info, ShapeStructInfo) and info.values is not None:
        return list(info.values)
    return [expr]


def _match(own: Buffer, target: Buffer, env: dict[TirVar, PrimExpr]) -> None:
    """Binds the kernel's symbolic dimensions to those of the caller."""
    for mine, theirs in zip(own.shape, target.shape, strict=True):
        if isinstance(mine, TirVar) and mine not in env:
            env[mine] = tir_op.cast(theirs, mine.dtype)


class _BlockNames(Rewriter):
    """Gives blocks of one name numbers, so that schedules can name each."""

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}

    @on(Block)
    def block(self, block: Block) -> Block:
        count = self.taken.get(block.name_hint)
        self.taken[block.name_hint] = 0 if count is None else count + 1
        made = self.rewrite_children(block)
        return made if count is None else made.replace(name_hint=f"{block.name_hint}_{count + 1}")

    @on(PrimExpr)
    def expression(self, value: PrimExpr) -> PrimExpr:
        return value


def _unique_blocks(body: Stmt) -> Stmt:
    made: Stmt = _BlockNames().run(body)
    return made


class _Rewriter(PyExprMutator):
    """Replaces calls of group functions by calls of merged kernels; equal groups share one."""

    def __init__(self, mod: IRModule) -> None:
        self.mod = mod
        self.groups = {
            var.name_hint: func
            for var, func in mod.items()
            if isinstance(func, Function) and func.attrs.get("Primitive") and _is_fusable(func)
        }
        rest = {v: f for v, f in mod.items() if v.name_hint not in self.groups}
        super().__init__(mod.with_functions(rest))
        self.done: dict[int, list[tuple[Function, GlobalVar, list[Any], list[TirVar]]]] = {}

    def visit_call_(self, op: Call) -> Expr:
        """A call: of the merged kernel if it called a group."""
        call = self.visit_expr_post_order(op)
        assert isinstance(call, Call)
        group = isinstance(call.op, GlobalVar) and self.groups.get(call.op.name_hint)
        return self._merged(call, group) if group else self._inlined(call)

    def _merged(self, call: Call, func: Function) -> Call:
        own, gvar, sources, scalars = self._kernel(func, call.op.name_hint)  # type: ignore[attr-defined]
        args = [call.args[s] if isinstance(s, int) else s for s in sources]
        out: Any = call.struct_info
        if isinstance(out, TupleStructInfo):
            out = list(out.items)
        dims = _symbolic_arguments(own, call)
        values = [dims.get(v, v) for v in scalars]
        return call_tir(gvar, args, out, values or None).replace(span=call.span)

    def _kernel(
        self, func: Function, name: str
    ) -> tuple[Function, GlobalVar, list[Any], list[TirVar]]:
        key = structural_hash(func, True)
        for entry in self.done.get(key, ()):
            if structural_equal(entry[0], func):
                return entry
        merged, sources, scalars = Merger(self.mod, func, name).run()
        kept = {k: v for k, v in func.attrs.items() if k not in ("Primitive", "global_symbol")}
        builder: BlockBuilder = self.builder_
        entry = (func, builder.add_func(merged.with_attrs(kept), name), sources, scalars)
        self.done.setdefault(key, []).append(entry)
        return entry

    def _inlined(self, call: Call) -> Call:
        """A lone kernel call with its scalar constants written into the kernel."""
        return call


def _symbolic_arguments(func: Function, call: Call) -> dict[TirVar, PrimExpr]:
    """What the group's symbolic dimensions are at the call."""
    from ..analysis.relations import Unifier

    unifier = Unifier()
    for param, arg in zip(func.params, call.args, strict=True):
        unifier.match(param.struct_info, arg.struct_info)  # type: ignore[arg-type]
    return {var: simplify(value) for var, value in unifier.env.items()}


def _is_fusable(func: Function) -> bool:
    bindings = [b for block in func.body.blocks for b in block.bindings]
    return bool(bindings) and all(
        isinstance(b, VarBinding)
        and isinstance(b.value, Call)
        and b.value.op is Op.get("relax.call_tir")
        for b in bindings
    )


def FuseTIR() -> Pass:
    """Merges the kernels of each group made by `FuseOps` into one; unused functions go away."""

    def transform(mod: IRModule) -> IRModule:
        rewriter = _Rewriter(mod)
        for gvar, func in mod.items():
            if isinstance(func, Function) and gvar.name_hint not in rewriter.groups:
                new = rewriter.visit_expr(func)
                if new is not func:
                    rewriter.builder_.update_func(gvar, new)
        made = rewriter.builder_.get()
        groups = set(rewriter.groups)
        return _reachable(made, groups, mod)

    return module_level("FuseTIR", transform)


def _reachable(mod: IRModule, groups: set[str], before: IRModule) -> IRModule:
    """`mod` without kernels that only the groups called."""
    kept = mod.functions
    used = {
        g.name_hint for f in kept.values() if isinstance(f, Function) for g in all_global_vars(f)
    }
    only_groups = {g.name_hint for name in groups for g in all_global_vars(before[name])} - used
    alive = {
        v: f
        for v, f in kept.items()
        if v.name_hint not in only_groups or "global_symbol" in getattr(f, "attrs", {})
    }
    return mod.with_functions(alive)
