"""A parallel loop: its body becomes a function over a chunk of the iterations, run by the pool.

```
for i in parallel(n): body(i)
->  void chunk(captured..., begin, end):   for i in range(begin, end): body(i)
    void task(task, tasks, closure):       chunk(*closure, n * task / tasks, n * (task + 1) / tasks)
    tilewright_parallel_launch(task, closure, n)
```
Buffers stay `noalias` because they are parameters of the chunk. An error is moved out of the
thread that met it into the closure, and raised again by the caller.
"""

from __future__ import annotations

from tilewright.tir.stmt import For

from .builder import FunctionBuilder, Value, int_of, quoted, size_of
from .emitter import FunctionEmitter, function_attributes
from .loops import as_int64, run_loop

ERROR_FLAG, ERROR_OBJECT, FIRST_FIELD = 0, 8, 16


def launch(e: FunctionEmitter, node: For, begin: Value, extent: Value) -> None:
    """Emits the outlined functions and the call of the pool."""
    name = f"{e.name}.parallel{len(e.context.module.functions)}"
    e.context.module.functions[name] = ""  # takes the name
    inner = _emit_chunk(e, node, name, begin.type)
    fields = [outer for _, outer, _ in inner.captured.values()]
    fields += [v for v in (begin, extent) if int_of(v) is None]
    offsets, size = _layout(fields)
    closure = e.b.alloca("i8", size, 16)
    if inner.can_fail:
        e.b.store(Value("i64", "0"), closure, 8)
        e.b.store(Value("ptr", "null"), _field(e.b, closure, ERROR_OBJECT), 8)
    for value, offset in zip(fields, offsets, strict=True):
        e.b.store(value, _field(e.b, closure, offset), 8)
    task = _emit_task(e, inner, name, begin, extent, offsets)
    e.b.call(
        "tilewright_parallel_launch",
        "void",
        [Value("ptr", f"@{quoted(task)}"), closure, as_int64(e, extent)],
    )
    e.effect()
    if inner.can_fail:
        _raise_again(e, closure)


def _emit_chunk(e: FunctionEmitter, node: For, name: str, index: str) -> FunctionEmitter:
    inner = FunctionEmitter(e.context, name, parent=e)
    inner.can_fail, inner.returns = e.can_fail, "i32" if e.can_fail else "void"
    run_loop(inner, node, Value(index, "%begin"), Value(index, "%end"), True)
    inner.b.do("ret i32 0" if inner.can_fail else "ret void")
    params = [
        f"{value.type}{' noalias' if alone else ''} {value.ref}"
        for value, _, alone in inner.captured.values()
    ]
    params += [f"{index} %begin", f"{index} %end"]
    attributes = function_attributes(e.context.features, copies_rows=inner.copies_rows)
    group = e.context.module.attribute_group(attributes)
    e.context.module.functions[name] = inner.b.finish(
        f"define internal {inner.returns} @{quoted(name)}({', '.join(params)}) {group}"
    )
    return inner


def _layout(fields: list[Value]) -> tuple[list[int], int]:
    """Where each field lies in the closure, and the size of the whole."""
    offsets, at = [], FIRST_FIELD
    for value in fields:
        offsets.append(at)
        at += -(-size_of(value.type) // 8) * 8
    return offsets, at


def _field(b: FunctionBuilder, closure: Value, offset: int) -> Value:
    return b.offset(closure, Value("i64", str(offset)), "i8")


def _emit_task(
    e: FunctionEmitter,
    inner: FunctionEmitter,
    chunk: str,
    begin: Value,
    extent: Value,
    offsets: list[int],
) -> str:
    name = f"{chunk}.task"
    b = FunctionBuilder(e.context.module)
    closure, number, count = (Value(t, r) for t, r in (
        ("ptr", "%closure"), ("i64", "%task"), ("i64", "%tasks")
    ))  # fmt: skip
    values = [outer for _, outer, _ in inner.captured.values()]
    bounds = [v for v in (begin, extent) if int_of(v) is None]
    loaded = [
        b.load(v.type, _field(b, closure, offset), 8)
        for v, offset in zip([*values, *bounds], offsets, strict=True)
    ]
    args, rest = loaded[: len(values)], loaded[len(values) :]
    first = begin if int_of(begin) is not None else rest.pop(0)
    total = extent if int_of(extent) is not None else rest.pop(0)
    wide = (
        total
        if total.type == "i64"
        else (
            Value("i64", total.ref) if int_of(total) is not None else b.cast("sext", total, "i64")
        )
    )
    low = _share(b, wide, number, count)
    high = _share(b, wide, b.add(number, Value("i64", "1"), " nsw"), count)
    run, done = b.label("run"), b.label("done")
    b.branch(b.compare("slt", low, high), run, done)
    b.start(run)
    ends = [b.add(first, b.cast("trunc", v, first.type), " nsw") for v in (low, high)]
    text = f"{inner.returns} @{quoted(chunk)}({', '.join(map(str, [*args, *ends]))})"
    if inner.can_fail:
        _keep_error(b, b.emit("i32", f"call {text}"), closure, done)
    else:
        b.do(f"call {text}")
        b.jump(done)
    b.start(done)
    b.do("ret void")
    group = e.context.module.attribute_group(function_attributes(e.context.features))
    e.context.module.functions[name] = b.finish(
        f"define internal void @{quoted(name)}(i64 %task, i64 %tasks, ptr %closure) {group}"
    )
    return name


def _share(b: FunctionBuilder, total: Value, number: Value, count: Value) -> Value:
    return b.binary("sdiv", b.mul(total, number, " nsw"), count)


def _keep_error(b: FunctionBuilder, status: Value, closure: Value, done: str) -> None:
    """The first task that fails moves its thread's error into the closure; the others' stay."""
    failed, keep = b.label("failed"), b.label("keep")
    b.branch(b.compare("ne", status, Value("i32", "0")), failed, done)
    b.start(failed)
    old = b.emit("i64", f"atomicrmw xchg {closure}, i64 1 acq_rel")
    b.branch(b.compare("eq", old, Value("i64", "0")), keep, done)
    b.start(keep)
    b.call("TVMFFIErrorMoveFromRaised", "void", [_field(b, closure, ERROR_OBJECT)])
    b.jump(done)


def _raise_again(e: FunctionEmitter, closure: Value) -> None:
    flag = e.b.load("i64", closure, 8)
    failed = e.b.compare("ne", flag, Value("i64", "0"))

    def again() -> None:
        error = e.b.load("ptr", _field(e.b, closure, ERROR_OBJECT), 8)
        e.b.call("TVMFFIErrorSetRaised", "void", [error])
        e.b.call("TVMFFIObjectDecRef", "i32", [error])

    e.fail_if(failed, again)
