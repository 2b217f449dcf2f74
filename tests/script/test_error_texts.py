"""Each mistake in script has a message of its own: the whole text is told here."""

import pytest

from tilewright.script import from_source
from tilewright.support.errors import DiagnosticError

HEAD = '@T.prim_func\ndef f(A: T.Buffer((8, 8), "float32"), n: T.int32):\n'
RELAX = '@R.function\ndef f(x: R.Tensor((2, 3), "float32")) -> R.Object:\n'
BLOCK = (
    HEAD + '    for i, j in T.grid(8, 8):\n        with T.block("b"):\n'
    '            vi, vj = T.axis.remap("SS", [i, j])\n'
)

CASES = [
    (
        HEAD + '    A[0, 0] = B[0, 0]',
        '`B` is not defined\n'
        '  --> model.py:3:15\n'
        '   3 |     A[0, 0] = B[0, 0]\n'
        '     |               ^',
    ),
    (
        HEAD + '    T.emate(m)',
        'script has no `T.emate`\n'
        '  --> model.py:3:5\n'
        '   3 |     T.emate(m)\n'
        '     |     ^^^^^^^\n'
        '  hint: did you mean greater, evaluate?',
    ),
    (
        HEAD + '    A[0, 0] = A[0, 0:2]',
        'a value of float32x2 is stored to `A` where float32 is expected\n'
        '  --> model.py:3:5\n'
        '   3 |     A[0, 0] = A[0, 0:2]\n'
        '     |     ^^^^^^^',
    ),
    (
        HEAD + '    A[0, 1, 2] = T.float32(0)',
        'buffer `A` has 2 dimensions, indexed with 3\n'
        '  --> model.py:3:5\n'
        '   3 |     A[0, 1, 2] = T.float32(0)\n'
        '     |     ^^^^^^^^^^',
    ),
    (
        HEAD + '    A[0, 0] = A[0:2, 0]',
        'a region of `A` is a vector in its last dimension only\n'
        '  --> model.py:3:5\n'
        '   3 |     A[0, 0] = A[0:2, 0]\n'
        '     |     ^^^^^^^',
    ),
    (
        HEAD + '    if n:\n'
        '        T.evaluate(0)',
        '`if` needs a boolean condition, found int32\n'
        '  --> model.py:3:8\n'
        '   3 |     if n:\n'
        '     |        ^\n'
        '  hint: compare, as in `n != 0`',
    ),
    (
        HEAD + '    for i in T.serial():\n'
        '        pass',
        "`T.serial`: missing a required argument: 'start'\n"
        '  --> model.py:3:14\n'
        '   3 |     for i in T.serial():\n'
        '     |              ^^^^^^^^^^\n'
        '  hint: its arguments are T.serial(start, stop=None, annotations=None)',
    ),
    (
        HEAD + '    for i in [1]:\n'
        '        pass',
        'a loop runs over a list\n'
        '  --> model.py:3:14\n'
        '   3 |     for i in [1]:\n'
        '     |              ^^^\n'
        '  hint: use range, T.grid, T.serial, T.parallel, T.vectorized, T.unroll or '
        'T.thread_binding',
    ),
    (
        HEAD + '    T.reads(A[0, 0])',
        '`T.reads` stands outside of a block\n'
        '  --> model.py:3:5\n'
        '   3 |     T.reads(A[0, 0])\n'
        '     |     ^^^^^^^^^^^^^^^^\n'
        '  hint: write it in T.block(...)',
    ),
    (
        BLOCK + '            T.reads(A[vi, vj])\n'
        '            T.reads(A[vi, vj])',
        'block `b` has two `T.reads`\n'
        '  --> model.py:7:13\n'
        '   7 |             T.reads(A[vi, vj])\n'
        '     |             ^^^^^^^^^^^^^^^^^^',
    ),
    (
        BLOCK + '            vi = T.axis.spatial(8, j)',
        'block `b` has two axes `vi`\n'
        '  --> model.py:6:13\n'
        '   6 |             vi = T.axis.spatial(8, j)\n'
        '     |             ^^',
    ),
    (
        BLOCK + '            T.block_attr({"k": 1})\n'
        '            T.block_attr({"k": 2})',
        "the block has two annotations 'k'\n"
        '  --> model.py:7:13\n'
        '   7 |             T.block_attr({"k": 2})\n'
        '     |             ^^^^^^^^^^^^^^^^^^^^^^',
    ),
    (
        BLOCK + "            w = T.axis.remap('S', [vi])",
        'remap needs variables of loops, found `vi`\n'
        '  --> model.py:6:13\n'
        "   6 |             w = T.axis.remap('S', [vi])\n"
        '     |             ^',
    ),
    (
        HEAD + '    T.tvm_warp_shuffle(n, n)',
        "`T.tvm_warp_shuffle`: missing a required argument: 'warp_id'\n"
        '  --> model.py:3:5\n'
        '   3 |     T.tvm_warp_shuffle(n, n)\n'
        '     |     ^^^^^^^^^^^^^^^^^^^^^^^^\n'
        '  hint: its arguments are T.tvm_warp_shuffle(mask, value, warp_id, width, warp_size)',
    ),
    (
        HEAD + '    x: T.int8 = n',
        '`x` is declared int8, its value is int32\n'
        '  --> model.py:3:5\n'
        '   3 |     x: T.int8 = n\n'
        '     |     ^^^^^^^^^^^^^',
    ),
    (
        HEAD + '    with T.evaluate(0):\n'
        '        pass',
        'a Evaluate opens no scope\n'
        '  --> model.py:3:10\n'
        '   3 |     with T.evaluate(0):\n'
        '     |          ^^^^^^^^^^^^^',
    ),
    (
        HEAD + '    B = T.match_buffer(n + 1, (8,))',
        'match_buffer needs a parameter or a region of a buffer\n'
        '  --> model.py:3:5\n'
        '   3 |     B = T.match_buffer(n + 1, (8,))\n'
        '     |     ^',
    ),
    (
        HEAD + '    with T.Else():\n'
        '        pass',
        '`T.Else` stands outside of `T.If`\n'
        '  --> model.py:3:10\n'
        '   3 |     with T.Else():\n'
        '     |          ^^^^^^^^',
    ),
    (
        '@T.prim_func\n'
        'def f(A: T.Buffer((8,), "float33")):\n'
        '    pass',
        "unknown dtype 'float33'\n"
        '  --> model.py:2:10\n'
        '   2 | def f(A: T.Buffer((8,), "float33")):\n'
        '     |          ^^^^^^^^^^^^^^^^^^^^^^^^^\n'
        '  hint: floats have 16, 32 or 64 bits',
    ),
    (
        '@T.prim_func(private=True)\n'
        'def f():\n'
        '    T.func_attr({"global_symbol": "f"})\n'
        '    T.evaluate(0)',
        'a private function has no global_symbol\n'
        '  --> model.py:2:1\n'
        '   2 | def f():\n'
        '     | ^\n'
        '  hint: leave private=True or the attribute out',
    ),
    (
        '@T.macro\n'
        'def m(a, b):\n'
        '    T.evaluate(a)\n'
        '@T.prim_func\n'
        'def f():\n'
        '    m(1)',
        "macro `m`: missing a required argument: 'b'\n"
        '  --> model.py:6:5\n'
        '   6 |     m(1)\n'
        '     |     ^^^^\n'
        '  hint: its parameters are (a, b)',
    ),
    (
        RELAX + '    y = R.add(x, z)\n'
        '    return y',
        '`z` is not defined\n'
        '  --> model.py:3:18\n'
        '   3 |     y = R.add(x, z)\n'
        '     |                  ^',
    ),
    (
        RELAX + '    y: R.Tensor((2, 3), "int8") = R.add(x, x)\n'
        '    return y',
        '`y`: the annotation says int8, the value is float32\n'
        '  --> model.py:3:5\n'
        '   3 |     y: R.Tensor((2, 3), "int8") = R.add(x, x)\n'
        '     |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^',
    ),
    (
        RELAX + '    y = R.matmul(x, x)\n'
        '    return y',
        'relax.matmul: the inner dimensions: 3 and 2 differ\n'
        '  --> model.py:3:5\n'
        '   3 |     y = R.matmul(x, x)\n'
        '     |     ^^^^^^^^^^^^^^^^^^',
    ),
    (
        RELAX + '    y = R.sum(x, axis=[2])\n'
        '    return y',
        'relax.sum: axis 2 is out of range for a tensor of 2 dimensions\n'
        '  --> model.py:3:5\n'
        '   3 |     y = R.sum(x, axis=[2])\n'
        '     |     ^^^^^^^^^^^^^^^^^^^^^^',
    ),
    (
        RELAX + '    y = R.exp(x)',
        'function `f` returns nothing\n'
        '  --> model.py:2:1\n'
        '   2 | def f(x: R.Tensor((2, 3), "float32")) -> R.Object:\n'
        '     | ^\n'
        '  hint: end it with `return value`',
    ),
    (
        RELAX + '    if x:\n'
        '        y = x\n'
        '    return y',
        'an `if` of R needs an `else`: both bind the same name\n'
        '  --> model.py:3:5\n'
        '   3 |     if x:\n'
        '     |     ^',
    ),
    (
        RELAX + '    y = R.emit_te(abs, x)\n'
        '    return y',
        'R.emit_te adds a kernel to a module, and there is none\n'
        '  --> model.py:3:9\n'
        '   3 |     y = R.emit_te(abs, x)\n'
        '     |         ^^^^^^^^^^^^^^^^^\n'
        '  hint: write the function in a class with @I.ir_module',
    ),
    (
        RELAX + '    y = R.addd(x, x)\n'
        '    return y',
        'script has no `R.addd`\n'
        '  --> model.py:3:9\n'
        '   3 |     y = R.addd(x, x)\n'
        '     |         ^^^^^^\n'
        '  hint: did you mean add?',
    ),
    (
        '@I.ir_module\n'
        'class M:\n'
        '    @R.function\n'
        '    def main(x: R.Object):\n'
        '        return cls.other(x)',
        'the module has no function `other`; it has main\n'
        '  --> model.py:5:16\n'
        '   5 |         return cls.other(x)\n'
        '     |                ^^^^^^^^^',
    ),
    (
        '@T.prim_func\n'
        'def f(:\n'
        '    pass',
        'this is not Python: invalid syntax\n'
        '  --> model.py:2:7\n'
        '   2 | def f(:\n'
        '     |       ^',
    ),
    (
        'def f():\n'
        '    pass',
        '`f` has no decorator of script\n'
        '  --> model.py:1:1\n'
        '   1 | def f():\n'
        '     | ^\n'
        '  hint: use @T.prim_func, @R.function or @I.ir_module',
    ),
    (
        'x = 1',
        'the text defines no function and no module\n'
        '  hint: decorate one with @I.ir_module, @T.prim_func or @R.function',
    ),
    (
        'import os\n'
        '@T.prim_func\n'
        'def f(A: T.Buffer((8, 8), "float32"), n: T.int32):\n'
        '    pass',
        'a text imports only from `tilewright.script`\n'
        '  --> model.py:1:1\n'
        '   1 | import os\n'
        '     | ^^^^^^^^^\n'
        '  hint: pass other names as extra_vars, or decorate a Python function',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), CASES)
def test_the_whole_message(text: str, message: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        from_source(text, name="model.py")
    assert str(caught.value) == message
