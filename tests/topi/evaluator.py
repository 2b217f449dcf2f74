"""Runs a PrimFunc of te on NumPy arrays: whole blocks at once, other statements step by step.

Every load is checked to be in bounds wherever the conditions around it hold.
"""

from __future__ import annotations

import itertools

import numpy as np

from tilewright import te
from tilewright.ir.expr import FloatImm, IntImm
from tilewright.support.dtypes import dtype_of
from tilewright.tir import expr as E
from tilewright.tir import stmt as S

BINARY = {
    E.Add: np.add, E.Sub: np.subtract, E.Mul: np.multiply, E.FloorDiv: np.floor_divide,
    E.FloorMod: np.mod, E.Min: np.minimum, E.Max: np.maximum, E.EQ: np.equal, E.NE: np.not_equal,
    E.LT: np.less, E.LE: np.less_equal, E.GT: np.greater, E.GE: np.greater_equal,
}  # fmt: skip
CALLS = {
    "tir.shift_left": np.left_shift, "tir.shift_right": np.right_shift,
    "tir.bitwise_and": np.bitwise_and, "tir.bitwise_or": np.bitwise_or,
    "tir.bitwise_xor": np.bitwise_xor,
}  # fmt: skip


def np_dtype(name):
    return dtype_of(name).numpy


def trunc_div(a, b):
    if np.issubdtype(a.dtype, np.integer):
        quotient = np.floor_divide(np.abs(a), np.abs(np.where(b == 0, 1, b)))
        return (np.sign(a) * np.sign(b) * quotient).astype(a.dtype)
    return a / b


class Machine:
    def __init__(self):
        self.env = {}
        self.arrays = {}

    # ---- expressions -------------------------------------------------------------------------

    def eval(self, e, mask=None):
        if isinstance(e, (IntImm, FloatImm)):
            return np.asarray(e.value, np_dtype(e.dtype))
        if isinstance(e, E.Var):
            return self.env[id(e)]
        kind = type(e)
        if kind in BINARY:
            return self.cast(BINARY[kind](self.eval(e.a, mask), self.eval(e.b, mask)), e.dtype)
        if kind is E.BufferLoad:
            return self.load(e, mask)
        return getattr(self, f"eval_{kind.__name__}")(e, mask)

    def cast(self, value, dtype):
        return np.asarray(value).astype(np_dtype(dtype), copy=False)

    def eval_Div(self, e, mask):
        return self.cast(trunc_div(self.eval(e.a, mask), self.eval(e.b, mask)), e.dtype)

    def eval_Mod(self, e, mask):
        return self.cast(np.fmod(self.eval(e.a, mask), self.eval(e.b, mask)), e.dtype)

    def eval_Cast(self, e, mask):
        value = self.eval(e.value, mask)
        info = dtype_of(e.dtype)
        if info.is_integral and not info.is_bool and dtype_of(e.value.dtype).is_float:
            with np.errstate(invalid="ignore"):
                exact = np.clip(np.trunc(value.astype("float64")), info.min_value, info.max_value)
                made = np.where(exact >= info.max_value, info.max_value, exact.astype(e.dtype))
                return np.where(np.isnan(exact), 0, made).astype(e.dtype)
        return self.cast(value, e.dtype)

    def eval_And(self, e, mask):
        left = self.eval(e.a, mask)
        return left & self.eval(e.b, left if mask is None else mask & left)

    def eval_Or(self, e, mask):
        left = self.eval(e.a, mask)
        return left | self.eval(e.b, ~left if mask is None else mask & ~left)

    def eval_Not(self, e, mask):
        return ~self.eval(e.a, mask)

    def eval_Select(self, e, mask):
        return np.where(
            self.eval(e.condition, mask),
            self.eval(e.true_value, mask),
            self.eval(e.false_value, mask),
        )

    def eval_Broadcast(self, e, mask):
        return np.repeat(self.eval(e.value, mask)[..., None], e.lanes, -1)

    def eval_Ramp(self, e, mask):
        return self.eval(e.base, mask) + self.eval(e.stride, mask) * np.arange(e.lanes)

    def eval_Shuffle(self, e, mask):
        lanes = np.concatenate([self.eval(v, mask) for v in e.vectors])
        picked = lanes[[int(i.value) for i in e.indices]]
        return picked if len(picked) > 1 else picked[0]

    def eval_Let(self, e, mask):
        self.env[id(e.var)] = self.eval(e.value, mask)
        return self.eval(e.body, mask)

    def eval_Call(self, e, mask):
        name = e.op.name
        if name == "tir.if_then_else":
            test = self.eval(e.args[0], mask)
            yes = test if mask is None else test & mask
            no = ~test if mask is None else ~test & mask
            if test.ndim == 0:
                return self.eval(e.args[1 if test else 2], mask)
            return np.where(test, self.eval(e.args[1], yes), self.eval(e.args[2], no))
        args = [self.eval(a, mask) for a in e.args]
        if name == "tir.likely":
            return args[0]
        if name == "tir.reinterpret":
            return args[0].view(np_dtype(e.dtype))
        if name == "tir.bitwise_not":
            return ~args[0]
        if name == "tir.popcount":
            bits = np.unpackbits(args[0][..., None].view(np.uint8), axis=-1)
            return bits.sum(-1).astype(e.dtype)
        if name == "tir.clz":
            width = dtype_of(e.args[0].dtype).bits
            length = np.vectorize(lambda v: int(v).bit_length(), otypes=["int64"])(args[0])
            return (width - length).astype("int32")
        function = CALLS.get(name) or e.op.get_attr("numpy")
        return self.cast(function(*args), e.dtype)

    def load(self, e, mask):
        array = self.arrays[id(e.buffer)]
        indices = [self.eval(i, mask) for i in e.indices]
        if not indices:
            return np.asarray(array[()])
        if mask is not None and not np.any(mask):
            return np.zeros(np.broadcast_shapes(*[i.shape for i in indices]), array.dtype)
        safe = []
        for index, extent in zip(indices, array.shape, strict=True):
            wrong = (index < 0) | (index >= extent)
            if mask is not None:
                wrong = wrong & mask
            assert not np.any(wrong), f"{e} out of bounds"
            safe.append(np.clip(index, 0, max(extent - 1, 0)))
        if 0 in array.shape:
            return np.zeros(np.broadcast_shapes(*[i.shape for i in safe]), array.dtype)
        return np.asarray(array[tuple(safe)])

    # ---- statements --------------------------------------------------------------------------

    def run(self, s):
        getattr(self, f"run_{type(s).__name__}")(s)

    def run_SeqStmt(self, s):
        for one in s.seq:
            self.run(one)

    def run_For(self, s):
        nest, body = [s], s.body
        while isinstance(body, S.For):
            nest.append(body)
            body = body.body
        if isinstance(body, S.BlockRealize):
            self.run_nest(nest, body)
            return
        lo, extent = int(self.eval(s.min)), int(self.eval(s.extent))
        for value in range(lo, lo + extent):
            self.env[id(s.loop_var)] = np.asarray(value, s.loop_var.dtype)
            self.run(s.body)

    def run_nest(self, nest, realize):
        block = realize.block
        kinds = {
            id(v): i.iter_type for v, i in zip(realize.iter_values, block.iter_vars, strict=True)
        }
        spatial = [f for f in nest if kinds[id(f.loop_var)] == E.IterVar.DataPar]
        reduced = [f for f in nest if kinds[id(f.loop_var)] != E.IterVar.DataPar]
        sizes = {id(f): int(self.eval(f.extent)) for f in nest}
        if any(sizes[id(f)] == 0 for f in spatial):
            return
        for axis, loop in enumerate(spatial):
            shape = [1] * len(spatial)
            shape[axis] = -1
            lo = int(self.eval(loop.min))
            values = np.arange(lo, lo + sizes[id(loop)], dtype=loop.loop_var.dtype)
            self.env[id(loop.loop_var)] = values.reshape(shape)
        self.grid = tuple(sizes[id(f)] for f in spatial)
        starts = [int(self.eval(f.min)) for f in reduced]
        first = True
        if any(sizes[id(f)] == 0 for f in reduced) and realize.block.init is not None:
            for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True):
                if axis.iter_type == E.IterVar.DataPar:
                    self.env[id(axis.var)] = self.eval(value)
            self.run(realize.block.init)
        for point in itertools.product(*[range(sizes[id(f)]) for f in reduced]):
            for loop, lo, value in zip(reduced, starts, point, strict=True):
                self.env[id(loop.loop_var)] = np.asarray(value + lo, loop.loop_var.dtype)
            self.block(realize, first)
            first = False

    def block(self, realize, first):
        block = realize.block
        for axis, value in zip(block.iter_vars, realize.iter_values, strict=True):
            self.env[id(axis.var)] = self.eval(value)
        for buffer in block.alloc_buffers:
            shape = tuple(int(self.eval(d)) for d in buffer.shape)
            self.arrays[id(buffer)] = np.zeros(shape, np_dtype(buffer.dtype))
        if block.init is not None and first:
            self.run(block.init)
        self.run(block.body)

    def run_BlockRealize(self, s):
        self.grid = ()
        self.block(s, True)

    def run_LetStmt(self, s):
        self.env[id(s.var)] = self.eval(s.value)
        self.run(s.body)

    def run_IfThenElse(self, s):
        if self.eval(s.condition):
            self.run(s.then_case)
        elif s.else_case is not None:
            self.run(s.else_case)

    def run_While(self, s):
        while self.eval(s.condition):
            self.run(s.body)

    def run_Allocate(self, s):
        self.env[id(s.buffer_var)] = None
        self.run(s.body)

    def run_DeclBuffer(self, s):
        shape = tuple(int(self.eval(d)) for d in s.buffer.shape)
        self.arrays[id(s.buffer)] = np.full(shape, 77).astype(np_dtype(s.buffer.dtype))
        self.run(s.body)

    def run_Evaluate(self, s):
        self.eval(s.value)

    def run_BufferStore(self, s):
        array = self.arrays[id(s.buffer)]
        indices = [self.eval(i) for i in s.indices]
        for index, extent in zip(indices, array.shape, strict=True):
            assert np.all((index >= 0) & (index < extent)), f"{s} out of bounds"
        value = self.eval(s.value)
        array[tuple(indices)] = np.broadcast_to(value, np.broadcast_shapes(
            value.shape, *[i.shape for i in indices]
        ))  # fmt: skip


def run(func, inputs, outputs=1, scalars=()):
    """The results of `func` on `inputs`: its last `outputs` buffers, allocated here."""
    machine = Machine()
    arrays = [np.asarray(a) for a in inputs]
    buffers = func.buffers()
    scalars = list(scalars)
    for param in func.params:
        if param not in func.buffer_map:
            machine.env[id(param)] = np.asarray(scalars.pop(0), param.dtype)
    for buffer, array in zip(buffers, arrays, strict=False):
        assert str(array.dtype) == buffer.dtype, (array.dtype, buffer.dtype)
        assert array.ndim == len(buffer.shape), (array.shape, buffer.shape)
        machine.arrays[id(buffer)] = array
        for extent, size in zip(buffer.shape, array.shape, strict=True):
            if isinstance(extent, E.Var) and id(extent) not in machine.env:
                machine.env[id(extent)] = np.asarray(size, extent.dtype)
            assert int(machine.eval(extent)) == size
    results = []
    for buffer in buffers[len(arrays) :]:
        shape = tuple(int(machine.eval(d)) for d in buffer.shape)
        machine.arrays[id(buffer)] = np.full(shape, 77).astype(np_dtype(buffer.dtype))
        results.append(machine.arrays[id(buffer)])
    with np.errstate(all="ignore"):
        machine.run(func.body)
    return results


def given(array, name="x", symbolic=False, dtype="int64"):
    """A placeholder of the array's shape and type, its dimensions variables if `symbolic`."""
    array = np.asarray(array)
    shape = tuple(
        te.size_var(f"{name}_d{i}", dtype) if symbolic else E.IntImm(dtype, d)
        for i, d in enumerate(array.shape)
    )
    return te.placeholder(shape, str(array.dtype), name)


def evaluate(function, *arrays, symbolic=False, dtype="int64"):
    """`function` of placeholders for `arrays`, lowered and run; a list if it gives several."""
    tensors = [given(a, f"x{i}", symbolic, dtype) for i, a in enumerate(arrays)]
    made = function(*tensors)
    several = isinstance(made, (list, tuple))
    outputs = list(made) if several else [made]
    results = run(te.create_prim_func([*tensors, *outputs]), arrays)
    for tensor, result in zip(outputs, results, strict=True):
        assert len(tensor.shape) == result.ndim
    return results if several else results[0]


def check(function, reference, *arrays, rtol=1e-6, atol=1e-6, shapes=("static", "symbolic")):
    """`function` agrees with NumPy's `reference`, for constant and for symbolic shapes."""
    expected = reference(*arrays)
    for kind in shapes:
        found = evaluate(function, *arrays, symbolic=kind == "symbolic")
        several = isinstance(expected, (list, tuple))
        pairs = zip(found, expected, strict=True) if several else [(found, expected)]
        for one, other in pairs:
            other = np.asarray(other)
            assert one.shape == other.shape, (kind, one.shape, other.shape)
            assert one.dtype == other.dtype, (kind, one.dtype, other.dtype)
            if one.dtype.kind in "biu":
                np.testing.assert_array_equal(one, other, err_msg=kind)
            else:
                np.testing.assert_allclose(
                    one.astype("float64"), other.astype("float64"), rtol, atol, err_msg=kind
                )
