"""Patterns find what they describe, and rewriting keeps the meaning."""

import numpy as np

from tilewright import relax
from tilewright.relax import interpreter
from tilewright.relax import transform as T
from tilewright.relax.analysis import check_well_formed, get_var2val
from tilewright.relax.dpl import (
    is_const,
    is_op,
    is_tuple,
    is_tuple_get_item,
    is_var,
    make_fused_bias_activation_pattern,
    rewrite_call,
    wildcard,
)

from .helpers import module, random, tensor_var

x, w = tensor_var("x", [4, 4]), tensor_var("w", [4, 4])
add, relu, exp = relax.op.add, relax.op.nn.relu, relax.op.exp


def test_patterns_on_expressions() -> None:
    one = relax.const(1.0)
    assert is_op("relax.add")(wildcard(), is_const()).match(add(x, one))
    assert is_op("relax.add")(is_const(), is_var("x")).match(add(x, one))  # commutes
    assert not is_op("relax.subtract")(is_const(), wildcard()).match(relax.op.subtract(x, one))
    same = wildcard()
    assert is_op("relax.add")(same, same).match(add(x, x))
    assert not is_op("relax.add")(same, same).match(add(x, w))
    assert (is_op("relax.exp")(wildcard()) | is_var()).match(x)
    assert (~is_op("relax.exp")(wildcard())).match(x)
    assert not (is_var() & is_const()).match(x)
    assert wildcard().has_dtype("float32").has_shape([4, 4]).match(x)
    assert not wildcard().has_dtype("float16").match(x)
    tanh = is_op("relax.sum")(wildcard()).has_attr({"axis": (1,), "keepdims": True})
    assert tanh.match(relax.op.sum(x, axis=[1], keepdims=True))
    assert not tanh.match(relax.op.sum(x, axis=[0], keepdims=True))
    pair = relax.Tuple([x, one])
    assert is_tuple([is_var(), is_const()]).match(pair)
    assert is_tuple([is_const(), is_var()], unordered=True).match(pair)
    assert is_tuple_get_item(is_tuple([is_var(), is_const()]), 1).match(relax.TupleGetItem(pair, 1))


def test_patterns_look_through_variables() -> None:
    mod = module([x, w], lambda bb: relu(add(relax.op.matmul(x, w), relax.const(1.0))))
    pattern = make_fused_bias_activation_pattern("relax.matmul", True, "relax.nn.relu")
    values = get_var2val(mod["main"])
    found = pattern.extract_matched_expr(mod["main"].body.body, values)
    assert found is not None and len(found) >= 5
    assert not pattern.match(mod["main"].body.body)


def test_rewrite_call() -> None:
    mod = module([x, w], lambda bb: relu(add(exp(x), exp(w))))
    a, b = wildcard(), wildcard()
    pattern = is_op("relax.add")(is_op("relax.exp")(a), is_op("relax.exp")(b))

    def callback(expr, matches):
        return relax.op.multiply(add(exp(matches[a]), exp(matches[b])), relax.const(1.0))

    once = []

    def only_once(expr, matches):
        once.append(expr)
        return callback(expr, matches) if len(once) == 1 else expr

    func = rewrite_call(pattern, only_once, mod["main"])
    check_well_formed(func)
    args = random(4, 4), random(4, 4, seed=1)
    np.testing.assert_allclose(interpreter.run(func, *args), interpreter.run(mod, *args), rtol=1e-6)


def test_rewriting_removes_what_is_left() -> None:
    mod = module([x], lambda bb: exp(relax.op.log(x)))
    inner = wildcard()
    pattern = is_op("relax.exp")(is_op("relax.log")(inner))
    func = rewrite_call(pattern, lambda expr, found: found[inner], mod["main"])
    (binding,) = func.body.bindings()
    assert binding.value is func.params[0]


def test_fuse_ops_by_pattern() -> None:
    def write(bb):
        y = bb.emit(relu(add(relax.op.matmul(x, w), relax.const(np.ones(4, "float32")))))
        return exp(relax.op.matmul(y, w))

    mod = module([x, w], write)
    rows = [
        ("lib.dense", make_fused_bias_activation_pattern("relax.matmul", True, "relax.nn.relu")),
        ("lib.matmul", is_op("relax.matmul")(wildcard(), wildcard())),
    ]
    fused = T.FuseOpsByPattern(rows, annotate_codegen=True)(mod)
    check_well_formed(fused)
    made = {v.name_hint: f.attrs for v, f in fused.items() if v.name_hint != "main"}
    assert {n: a["Composite"] for n, a in made.items()} == {
        "fused_matmul_add_nn_relu": "lib.dense",
        "fused_matmul": "lib.matmul",
    }
    assert all(a["Codegen"] == "lib" for a in made.values())
    args = random(4, 4), random(4, 4, seed=1)
    np.testing.assert_allclose(
        interpreter.run(fused, *args), interpreter.run(mod, *args), rtol=1e-6
    )


def test_a_value_used_elsewhere_is_not_fused_and_checks_decide() -> None:
    def write(bb):
        y = bb.emit(exp(x))
        return relax.Tuple([relu(y), add(y, w)])

    mod = module([x, w], write)
    pattern = is_op("relax.nn.relu")(is_op("relax.exp")(wildcard()))
    assert T.FuseOpsByPattern([("p", pattern)])(mod).names() == ["main"]
    single = is_op("relax.exp")(wildcard())
    seen = []

    def check(context):
        seen.append(context.matched_expr)
        return False

    assert T.FuseOpsByPattern([("p", single, {}, check)])(mod).names() == ["main"]
    assert len(seen) == 1
