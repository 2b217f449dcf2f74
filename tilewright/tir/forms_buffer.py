"""Forms of the dialect `T` that declare memory: buffers, their regions, allocations, parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..ir.expr import IntImm, Range, as_scalar
from ..script.ir_builder import IRBuilder
from ..script.parser.arguments import shown_value
from ..support.errors import ArgumentError
from . import expr as E
from . import stmt as S
from .buffer import Buffer, decl_buffer
from .expr import Var, pointer
from .forms import Opened, ScopeForm, TirForm, bare_type
from .writer import Close, Writer


@dataclass
class BufferForm(TirForm):
    """The description of a buffer, which gets its name where it is assigned."""

    how: str
    shape: Any
    dtype: str
    options: dict[str, Any]

    def title(self) -> str:
        """As written."""
        return f"T.{self.how}"

    def make(self, name: str) -> Buffer:
        """The buffer."""
        o = dict(self.options)
        scope, align = o.pop("scope", ""), o.pop("align", 0)
        shape = self.shape if isinstance(self.shape, (tuple, list)) else (self.shape,)
        if any(isinstance(dim, str) for dim in shape):
            raise ArgumentError(
                f"the shape of a buffer is a tuple of integers, found {self.shape!r}",
                hint=f'write {self.title()}((8, 8), "float32")',
            )
        for dim in shape:
            as_scalar(dim)
        is_given = o.get("data") is None and self.how in ("Buffer", "match_buffer")
        factor = o.pop("offset_factor", 0)
        named = [Var(s, "int32") if isinstance(s, str) else s for s in o.pop("strides") or ()]
        made = decl_buffer(
            shape, self.dtype, name, scope=scope, data_alignment=align or -1, strides=named,
            offset_factor=factor if is_given else 0,
            **{k: v for k, v in o.items() if v is not None},
        )  # fmt: skip
        return made if is_given else made.replace(offset_factor=factor or 1)

    def declare(self, w: Writer, name: str) -> Any:
        """Declares the buffer as its kind asks for."""
        return DECLARE[self.how](w, self, name)

    def act(self, w: Writer) -> Any:
        """The buffer without a name."""
        return self.declare(w, "")


@dataclass
class MatchForm(BufferForm):
    """`T.match_buffer(source, shape, dtype)`."""

    source: Any = None


class DeclForm(BufferForm):
    """`T.decl_buffer(shape, dtype)`, which may also open a `with`."""

    def perform(self, w: Writer) -> Any:
        """The scope, to be entered."""
        return Opened(self, w)

    @contextmanager
    def open(self, w: Writer, name: str = "") -> Iterator[Buffer]:
        """The buffer is seen in the body of the `with`."""
        made, close = declare_buffer(self, name)
        with w.wrapped(close):
            yield made


def _allocated(w: Writer, form: BufferForm, name: str) -> Buffer:
    made = form.make(name)
    w.block(form.title(), or_function=True).alloc_buffers.append(made)
    return made


def _declared(w: Writer, form: BufferForm, name: str) -> Buffer:
    made, close = declare_buffer(form, name)
    w.scope(close)
    return made


def declare_buffer(form: BufferForm, name: str) -> tuple[Buffer, Close]:
    """A declared buffer; without `data` its memory is allocated too."""
    made = form.make(name)
    if form.options.get("data") is not None:
        return made, lambda body: S.DeclBuffer(made, body)
    return made, lambda body: S.Allocate(
        made.data, made.dtype, made.shape, IntImm("bool", 1), S.DeclBuffer(made, body)
    )


def _matched(w: Writer, form: BufferForm, name: str) -> Buffer:
    assert isinstance(form, MatchForm)
    source = form.source
    if isinstance(source, Var):
        return w.match(source, form.make(name or source.name))
    if not isinstance(source, (S.BufferRegion, E.BufferLoad, Buffer)):
        raise ArgumentError(
            "match_buffer needs a parameter or a region of a buffer",
            hint="give it a parameter of type T.handle, or a region such as A[0:4, 0:4]",
        )
    matched = region_of(source)
    if form.shape is None:
        form.shape, form.dtype = [r.extent for r in matched.region], matched.buffer.dtype
    form.options["scope"] = form.options.get("scope") or matched.buffer.scope()
    made = form.make(name)
    _check_view(made, matched)
    w.block(form.title()).match_buffers.append(S.MatchBufferRegion(made, matched))
    return made


def _check_view(made: Buffer, source: S.BufferRegion) -> None:
    """Raises `ArgumentError` if the shape of a view is not that of the region: the region's last
    dimensions, after those of one element. What is not constant may be equal."""
    ahead = len(source.region) - made.ndim
    extents = [r.extent for r in source.region]
    wanted = [IntImm("int32", 1)] * ahead + list(made.shape)
    same = ahead >= 0 and all(
        not (isinstance(a, IntImm) and isinstance(b, IntImm)) or a.value == b.value
        for a, b in zip(extents, wanted, strict=True)
    )
    if not same:
        shown = [", ".join(map(str, dims)) for dims in (made.shape, extents)]
        raise ArgumentError(
            f"buffer `{made.name}` has the shape ({shown[0]}), the region that it matches has "
            f"({shown[1]})",
            hint="give the extents of the region, without leading ones",
        )


DECLARE: dict[str, Callable[..., Buffer]] = {
    "alloc_buffer": _allocated, "sblock_alloc_buffer": _allocated,
    "decl_buffer": _declared, "match_buffer": _matched,
}  # fmt: skip


def renamed(b: Buffer, name: str) -> Buffer:
    """A buffer like `b`, called `name`, with memory of its own unless that has a name."""
    data = b.data if b.data.name else b.data.copy_with_name(name)
    return b.replace(name=name, data=data)


def region_of(value: Any) -> S.BufferRegion:
    """A region from what indexing a buffer gave."""
    if isinstance(value, S.BufferRegion):
        return value
    if isinstance(value, Buffer):
        return S.full_region(value)
    if isinstance(value, E.BufferLoad):
        ranges = []
        for i in value.indices:
            if isinstance(i, E.Ramp):
                ranges.append(Range(i.base, IntImm(i.base.dtype, i.lanes)))
            else:
                ranges.append(Range(i, IntImm(i.dtype, 1)))
        return S.BufferRegion(value.buffer, tuple(ranges))
    raise ArgumentError(f"expected a region of a buffer, found {type(value).__name__}")


@dataclass
class ArgForm(TirForm):
    """`T.arg(name, what)`: a parameter of the function being built."""

    name: str
    what: Any

    def title(self) -> str:
        """As written."""
        return "T.arg"

    def declare(self, w: Writer, name: str) -> Any:
        """Adds the parameter, and gives the variable or buffer."""
        what = self.what
        if isinstance(what, BufferForm):
            what = what.make(self.name)
        if isinstance(what, Buffer):
            IRBuilder.name(self.name, what)
            return w.buffer_parameter(self.name, what)
        made = bare_type(what)
        if not isinstance(made, Var):
            raise ArgumentError(
                f"a parameter is a variable or a buffer, found {shown_value(what)}",
                hint='write T.arg("n", T.int32()) or T.arg("A", T.Buffer((8,)))',
            )
        return w.parameter(IRBuilder.name(self.name, made))

    def act(self, w: Writer) -> Any:
        """Adds the parameter."""
        return self.declare(w, self.name)


def allocation(dtype: str, extents: Any, scope: str, condition: Any, annotations: Any) -> ScopeForm:
    """`A = T.allocate(...)`. Raises `ArgumentError` for an extent below zero."""
    for extent in map(as_scalar, extents):
        if isinstance(extent, IntImm) and extent.value < 0:
            raise ArgumentError(
                f"T.allocate of {extent.value} elements", hint="write extents of 0 or more"
            )

    def declare(name: str) -> tuple[Var, Close]:
        var = Var(name, "handle", type_annotation=pointer(dtype, scope))
        test = IntImm("bool", 1) if condition is None else condition
        return var, lambda body: S.Allocate(var, dtype, extents, test, body, annotations)

    return ScopeForm("T.allocate", declare)
