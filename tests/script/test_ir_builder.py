"""Programs that Python code builds step by step are those that script describes."""

import pytest

from tilewright import relax, tir, topi
from tilewright.ir import IRModule, PrimType, Range
from tilewright.ir.structural import assert_structural_equal
from tilewright.script import from_source
from tilewright.script import tir as ScriptT
from tilewright.script.ir_builder import IRBuilder
from tilewright.script.ir_builder import ir as I
from tilewright.script.ir_builder import relax as R
from tilewright.script.ir_builder import tir as T
from tilewright.support.errors import ArgumentError


def same(built: object, text: str) -> None:
    assert_structural_equal(built, from_source(text), True)


def test_a_function() -> None:
    with IRBuilder() as ib, T.prim_func():
        T.func_name("main")
        T.arg("a", T.handle())
        n = T.arg("n", T.int64())
        A = T.arg("A", T.Buffer((8, 8), "float32"))
        d = T.arg("d", T.handle())
        T.func_attr({"key": "value"})
        T.func_ret(PrimType("int64"))
        D = IRBuilder.name("D", T.match_buffer(d, (8, n), "float32"))
        B = IRBuilder.name("B", T.alloc_buffer((8, 8), "float32"))
        with T.grid(8, 8) as (i, j), T.block("update"):
            vi, vj = T.axis.remap("SR", [i, j])
            with T.init():
                T.buffer_store(B, 0.0, [vi, vj])
            T.buffer_store(B, A[vi, vj] + D[vi, 0], [vi, vj])
        T.ret(n)
        T.evaluate(T.ret(n))
    text = """
    @T.prim_func
    def main(a: T.handle, n: T.int64, A: T.Buffer((8, 8), "float32"), d: T.handle) -> T.int64:
        T.func_attr({"key": "value"})
        D = T.match_buffer(d, (8, n))
        B = T.alloc_buffer((8, 8))
        for i, j in T.grid(8, 8):
            with T.block("update"):
                vi, vj = T.axis.remap("SR", [i, j])
                with T.init():
                    B[vi, vj] = T.float32(0)
                B[vi, vj] = A[vi, vj] + D[vi, 0]
        T.ret(n)
    """
    same(ib.get(), text)
    assert [p.name for p in ib.get().params] == ["a", "n", "A_handle", "d"]
    assert B.name == "B" and B.data.name == "B"


def test_a_function_without_a_name_has_no_symbol() -> None:
    with IRBuilder() as ib, T.prim_func():
        T.evaluate(0)
    assert_structural_equal(ib.get(), tir.PrimFunc((), tir.Evaluate(0)))
    with IRBuilder() as ib, T.prim_func(is_private=True):
        T.func_name("f")
    assert ib.get().attrs == {}


def test_scopes() -> None:
    with IRBuilder() as ib, T.prim_func():
        n = T.arg("n", T.int32())
        with (
            T.serial(8),
            T.parallel(4, 8),
            T.vectorized(2),
            T.unroll(2),
            T.thread_binding(8, thread="threadIdx.x"),
        ):
            T.evaluate(n)
        with T.If(n < 3):
            with T.Then():
                T.evaluate(1)
            with T.Else():
                T.evaluate(2)
        with T.While(n > 0), T.Assert(n == 0, "zero"), T.LetStmt(n + 1) as x:
            T.evaluate(x)
        with T.allocate([10], "float32", scope="local") as memory, T.attr(memory, "key", 1):
            T.evaluate(0)
        with T.allocate_const([1, 2], "int32", [2]), T.decl_buffer((4,), "int32") as buffer:
            T.buffer_store(buffer, 1, [0])
        thread = T.env_thread("blockIdx.y")
        with T.launch_thread(thread, 4):
            T.evaluate(thread.var)
    text = """
    @T.prim_func(private=True)
    def main(n: T.int32):
        for a in range(8):
            for b in T.parallel(4, 8):
                for c in T.vectorized(2):
                    for d in T.unroll(2):
                        for e in T.thread_binding(8, thread="threadIdx.x"):
                            T.evaluate(n)
        if n < 3:
            T.evaluate(1)
        else:
            T.evaluate(2)
        while n > 0:
            assert n == 0, "zero"
            x: T.int32 = n + 1
            T.evaluate(x)
        with T.allocate([10], "float32", "local") as memory:
            T.attr(memory, "key", 1)
            T.evaluate(0)
        with T.allocate_const([1, 2], "int32", [2]) as data:
            buffer = T.decl_buffer((4,), "int32")
            buffer[0] = 1
        by = T.launch_thread("blockIdx.y", 4)
        T.evaluate(by)
    """
    same(ib.get(), text)


def test_parts_of_programs() -> None:
    with IRBuilder() as ib:
        a, f = T.int64(), T.int32()
        buffers = [T.Buffer((16, 16), "float32") for _ in range(2)]
        with T.block("block"):
            T.where(a > 1)
            T.reads(buffers[0][0:4, 0:4])
            T.writes(buffers[1][f, 0])
            T.block_attr({"key": "value"})
            own = T.alloc_buffer((2,), "float32")
            view = T.match_buffer(buffers[0][0:4, 0:4], (4, 4), "float32")
            axis = T.axis.opaque(16, f)
            T.evaluate(0)
    realize = ib.get()
    block = realize.block
    assert_structural_equal(block.iter_vars, (tir.IterVar(Range(0, 16), axis, 4),))
    assert (block.alloc_buffers, block.match_buffers[0].buffer) == ((own,), view)
    assert realize.iter_values == (f,) and block.annotations == {"key": "value"}
    with IRBuilder() as ib:
        T.evaluate(1)
    assert_structural_equal(ib.get(), tir.Evaluate(1))


def test_scopes_may_be_entered_for_the_rest() -> None:
    with IRBuilder() as ib, T.serial(4) as i:
        scope = T.allocate([4], "int32", "local")
        memory = scope.__enter__()
        T.evaluate(i)
        scope.__exit__(None, None, None)
    assert isinstance(ib.get().body, tir.Allocate)
    assert ib.get().body.buffer_var is memory


def test_a_graph() -> None:
    with IRBuilder() as ib, I.ir_module():
        I.module_attrs({"version": 2})
        I.module_global_infos({"vdevice": [I.vdevice("llvm"), I.vdevice("cuda")]})
        assert I.lookup_vdevice("cuda", 0).target.kind.name == "cuda"
        with T.prim_func():
            T.func_name("kernel")
            T.evaluate(0)
        with R.function(is_pure=False):
            R.func_name("main")
            R.func_attr({"k": 1})
            x = R.arg("x", relax.TensorStructInfo((4, 4), "float32"))
            flag = R.arg("flag", R.Tensor((), "bool"))
            R.func_ret_struct_info(R.Tensor(dtype="float32", ndim=2))
            with R.dataflow() as df:
                a = IRBuilder.name("a", R.emit(R.add(x, x)))
                b = IRBuilder.name("b", R.emit(R.multiply(a, x)))
                R.emit(R.exp(b))
                R.output(a, b)
            a, b = df.output_vars
            with R.If(flag) as choice:
                with R.Then():
                    IRBuilder.name("w", R.emit(R.multiply(a, b)))
                with R.Else():
                    IRBuilder.name("w", R.emit(R.add(a, b)))
            n = tir.Var("n", "int64")
            R.func_ret_value(R.emit_match_cast(choice.var, R.Tensor((n, 4), "float32")))
    text = """
    @I.ir_module
    class Module:
        I.module_attrs({"version": 2})
        I.module_global_infos({"vdevice": [I.vdevice("llvm"), I.vdevice("cuda")]})

        @T.prim_func
        def kernel():
            T.evaluate(0)

        @R.function(pure=False)
        def main(
            x: R.Tensor((4, 4), "float32"), flag: R.Tensor((), "bool")
        ) -> R.Tensor(dtype="float32", ndim=2):
            R.func_attr({"k": 1})
            with R.dataflow():
                a = R.add(x, x)
                b = R.multiply(a, x)
                _ = R.exp(b)
                R.output(a, b)
            if flag:
                w1 = R.multiply(a, b)
                w = w1
            else:
                w2 = R.add(a, b)
                w = w2
            n = T.int64()
            c = R.match_cast(w, R.Tensor((n, 4), "float32"))
            return c
    """
    same(ib.get(), text)
    assert choice.var.name_hint == "w"


def test_kernels_of_te_become_functions_of_the_module() -> None:
    with IRBuilder() as ib, I.ir_module(), R.function():
        R.func_name("main")
        x = R.arg("x", R.Tensor((4,), "float32"))
        out = R.emit_te(topi.add, x, x)
        binding = relax.VarBinding(relax.Var("v", out.struct_info), out)
        R.emit_var_binding(binding)
        assert R.lookup_binding(binding.var) is out
        R.func_ret_value(binding.var)
    assert ib.get().names() == ["add", "main"]
    text = """
    from tilewright.script import ir as I, relax as R
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor((4,), "float32")):
            y = R.emit_te(add, x, x)
            z = R.emit_te(add, y, x)
            return z
    """
    module = from_source(text, {"add": topi.add})
    assert module.names() == ["main", "add"]
    assert_structural_equal(module["add"], ib.get()["add"])


def test_functions_may_be_declared_first() -> None:
    func = tir.PrimFunc((), tir.Evaluate(0), attrs={"global_symbol": "f"})
    with IRBuilder() as ib, I.ir_module():
        var = I.decl_function("f", func)
        I.def_function("f", func)
        I.module_set_attr("a", 1)
        I.module_attrs({"a": 2}, allow_overwrite=True)
        assert (I.module_get_attr("a"), I.module_get_attrs()) == (2, {"a": 2})
    assert_structural_equal(ib.get(), IRModule({"f": func}, {"a": 2}))
    assert ib.get().get_global_var("f") is var


def test_builders_nest() -> None:
    with IRBuilder() as outer:
        with IRBuilder() as inner:
            assert IRBuilder.current() is inner
        assert IRBuilder.current() is outer and IRBuilder.is_in_scope()
    assert not IRBuilder.is_in_scope()


def test_names_of_parts() -> None:
    made = IRBuilder.name("v", [tir.Var("", "int32"), (tir.Var("", "int32"),)])
    assert [made[0].name, made[1][0].name] == ["v_0", "v_1_0"]


def outside() -> None:
    T.evaluate(0)


def no_then() -> None:
    with IRBuilder(), T.If(T.int32() > 0):
        pass


def lone_else() -> None:
    with IRBuilder(), T.Else():
        pass


def two_functions() -> None:
    with IRBuilder():
        for _ in range(2):
            with T.prim_func():
                T.evaluate(0)


def no_result() -> None:
    with IRBuilder(), R.function():
        R.func_name("f")


def other_output() -> None:
    with IRBuilder(), R.function():
        x = R.arg("x", R.Object)
        with R.dataflow():
            R.output(x)


def other_names() -> None:
    with IRBuilder(), R.function():
        x = R.arg("x", R.Tensor((), "bool"))
        with R.If(x):
            with R.Then():
                IRBuilder.name("a", R.emit(x))
            with R.Else():
                IRBuilder.name("b", R.emit(x))


def overwritten() -> None:
    with IRBuilder(), I.ir_module():
        I.module_attrs({"a": 1})
        I.module_attrs({"a": 1})


MISTAKES = [
    (outside, "there is no IRBuilder\n  hint: write `with IRBuilder() as ib:`"),
    (no_then, "`T.If` has no `T.Then`\n  hint: write `with T.Then():` inside of it"),
    (lone_else, "`T.Else` stands outside of `T.If`\n"
     "  hint: write it inside of `with T.If(condition):`"),
    (two_functions, "an IRBuilder builds one module or function, this one is the second\n"
     "  hint: several functions stand in `with I.ir_module():`"),
    (no_result, "function `f` returns nothing\n  hint: call R.func_ret_value at its end"),
    (other_output, "R.output names `x`, which the block does not define"),
    (other_names, "both branches end by binding one name, found ['a', 'b']\n"
     "  hint: name the last variable of each with IRBuilder.name"),
    (overwritten, "the module has an attribute 'a' already\n  hint: pass allow_overwrite=True"),
    (lambda: IRBuilder().get(), "the IRBuilder has built nothing\n  hint: call get() after its "
     "`with`"),
    (lambda: IRBuilder.name("x", 3), "int values have no name"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), MISTAKES)
def test_mistakes_say_what_is_wrong(make: object, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()  # type: ignore[operator]
    assert str(caught.value) == message
    assert not IRBuilder.is_in_scope()


def test_the_namespace_is_that_of_script() -> None:
    assert T.exp is not None and set(dir(ScriptT)) <= {*dir(T), "macro", "inline"} | set(dir(T))
    assert T.int32(3).value == 3 and T.Buffer((2,), "int8").dtype == "int8"
