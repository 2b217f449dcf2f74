"""Loop programs print as script."""

from tilewright import tir
from tilewright.ir import IRModule
from tilewright.ir.expr import Range
from tilewright.ir.structural import structural_equal
from tilewright.script import from_source


def test_a_block_prints_with_its_axes_regions_and_init() -> None:
    a = tir.decl_buffer((8, 4), "float32", "A")
    c = tir.decl_buffer((8,), "float32", "C")
    i, k = tir.Var("i", "int32"), tir.Var("k", "int32")
    vi, vk = tir.Var("vi", "int32"), tir.Var("vk", "int32")
    one = lambda v: Range(v, 1)  # noqa: E731
    block = tir.Block(
        (tir.IterVar(Range(0, 8), vi, 0), tir.IterVar(Range(0, 4), vk, 2)),
        (tir.BufferRegion(a, (one(vi), one(vk))),),
        (tir.BufferRegion(c, (one(vi),)),),
        "C",
        tir.BufferStore(c, c[vi] + a[vi, vk], (vi,)),
        tir.BufferStore(c, 0.0, (vi,)),
    )
    loops = tir.For(i, 0, 8, 0, tir.For(k, 0, 4, 0, tir.BlockRealize((i, k), True, block)))
    root = tir.BlockRealize((), True, tir.Block((), (), (), "root", loops))
    mod = IRModule({"main": tir.PrimFunc((a, c), root, attrs={"global_symbol": "main"})})
    assert (
        str(mod)
        == """\
# from tilewright.script import ir as I
# from tilewright.script import tir as T

@I.ir_module
class Module:
    @T.prim_func
    def main(A: T.Buffer((8, 4), "float32"), C: T.Buffer((8,), "float32")):
        # with T.block("root"):
        for i, k in T.grid(8, 4):
            with T.block("C"):
                vi, vk = T.axis.remap("SR", [i, k])
                T.reads(A[vi, vk])
                T.writes(C[vi])
                with T.init():
                    C[vi] = T.float32(0.0)
                C[vi] = C[vi] + A[vi, vk]"""
    )


def test_parentheses_only_where_needed() -> None:
    x, y = tir.Var("x", "int32"), tir.Var("y", "int32")
    assert str((x + 1) * 2 - (x - (y + 3)) // 4 % y) == "(x + 1) * 2 - (x - (y + 3)) // 4 % y"
    assert str(x - (y - 1)) == "x - (y - 1)"
    assert str(x + (y + 1)) == "x + (y + 1)"
    assert str(tir.all(x < 1, tir.any(x > 2, y > 2))) == "x < 1 and (x > 2 or y > 2)"


def test_a_part_can_be_underlined() -> None:
    a = tir.decl_buffer((4,), "float32", "A")
    i = tir.Var("i", "int32")
    store = tir.BufferStore(a, a[i] + 1.0, (i,))
    loop = tir.For(i, 0, 4, 0, store)
    assert loop.script(obj_to_underline=[store.value]) == (
        "for i in range(4):\n    A[i] = A[i] + T.float32(1.0)\n" + " " * 11 + "^" * 21
    )


def test_an_expression_prints_however_deep_it_is() -> None:
    total: tir.PrimExpr = tir.Var("x", "int32")
    for _ in range(1000):
        total = tir.FloorMod(tir.Add(total, tir.IntImm("int32", 1)), tir.IntImm("int32", 7))
    assert str(total).count("% 7") == 1000


def test_words_of_python_and_of_script_are_no_names() -> None:
    for word in ("for", "True", "range", "T"):
        out = tir.decl_buffer((4,), "int32", word)
        loop = tir.Var(word, "int32")
        body = tir.For(loop, 0, 4, tir.ForKind.SERIAL, tir.BufferStore(out, loop, [loop]))
        param = tir.Var("b", "handle")
        func = tir.PrimFunc([param], body, buffer_map={param: out})
        func = func.with_attr("global_symbol", "main")
        assert structural_equal(from_source(func.script()), func)
