"""Products with few columns or few rows, whose vectors go along the sum."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tilewright import te, tir, topi
from tilewright.dlight.analysis import BlockInfo
from tilewright.dlight.cpu.thin import part_in_registers, thin_product
from tilewright.target import MachineModel
from tilewright.tir import Schedule

from .kernels import AVX2, AVX512, NEON, check_same, schedule
from .test_cpu_structure import made, matmul, tensor


def epilogue(rows, depth, columns):
    x, y, product = matmul(rows, columns, depth)
    b = tensor(columns, name="b")
    return [x, y, b, topi.nn.relu(topi.add(product, b))]


def batches(batch, rows, depth, columns, transposed):
    y = tensor(*((columns, depth) if transposed else (depth, columns)), name="y")
    x = tensor(batch, rows, depth)
    return [x, y, topi.nn.matmul(x, y, None, None, False, transposed)]


def is_thin(tensors, target):
    sch = Schedule(te.create_prim_func(tensors))
    (product,) = sch.get_child_blocks(sch.get_block("root"))
    info = BlockInfo(sch, product)
    return thin_product(info, MachineModel.of(target)) is not None


NESTS = {
    ("few columns", AVX512): """
for 768, vector 3, y_global
parallel 8:
  for 2, for 1:
    unroll 8, unroll 3, vector 16, T_matmul_NN_rf_init
    for 12, unroll 4, unroll 8, unroll 3, vector 16, T_matmul_NN_rf_update
    unroll 8, unroll 3, vector 16, T_matmul_NN_rf_local_local
  for 3, vector 16, T_matmul_NN_init
  for 3, vector 16, for 16, T_matmul_NN_update
  for 3, vector 16, T_matmul_NN_local
""",
    ("few columns", AVX2): """
for 768, vector 3, y_global
parallel 16:
  for 2, for 1:
    unroll 4, unroll 3, vector 8, T_matmul_NN_rf_init
    for 12, unroll 8, unroll 4, unroll 3, vector 8, T_matmul_NN_rf_update
    unroll 4, unroll 3, vector 8, T_matmul_NN_rf_local_local
  for 3, vector 8, T_matmul_NN_init
  for 3, vector 8, for 8, T_matmul_NN_update
  for 3, vector 8, T_matmul_NN_local
""",
    ("few rows", AVX512): """
parallel 32:
  for 1, for 2:
    unroll 2, unroll 8, vector 16, T_matmul_NT_rf_init
    for 3, unroll 8, unroll 2, unroll 8, vector 16, T_matmul_NT_rf_update
    unroll 2, unroll 8, vector 16, T_matmul_NT_rf_local_local
  for 2, vector 16, T_matmul_NT_init
  for 2, vector 16, for 16, T_matmul_NT_update
  for 2, vector 16, T_matmul_NT_local
""",
    ("few rows", NEON): """
parallel 128:
  for 1, for 1:
    unroll 2, unroll 4, vector 4, T_matmul_NT_rf_init
    for 12, unroll 8, unroll 2, unroll 4, vector 4, T_matmul_NT_rf_update
    unroll 2, unroll 4, vector 4, T_matmul_NT_rf_local_local
  for 2, vector 4, T_matmul_NT_init
  for 2, vector 4, for 4, T_matmul_NT_update
  for 2, vector 4, T_matmul_NT_local
""",
}
PRODUCTS = {
    "few columns": lambda: matmul(128, 3, 768),
    "few rows": lambda: matmul(2, 512, 384, True),
}


@pytest.mark.parametrize(("name", "target"), NESTS)
def test_loops(name, target):
    assert made(PRODUCTS[name](), target) == NESTS[name, target].strip("\n")


@pytest.mark.parametrize("target", [AVX2, AVX512, NEON])
def test_vectors_of_columns_where_these_are_full_or_sums_are_short(target):
    assert is_thin(matmul(64, 2, 512), target)
    assert is_thin(matmul(1, 64, 512, True), target)
    assert not is_thin(matmul(64, 64, 512), target)
    assert not is_thin(matmul(64, 2, 6), target)
    assert not is_thin(matmul(64, 64, 512, True), target)


@pytest.mark.parametrize("target", [AVX2, AVX512, NEON])
def test_rows_are_few_by_the_length_of_a_sum(target):
    assert is_thin(matmul(31, 512, 512, True), target)
    assert is_thin(matmul(10, 64, 64, True), target)
    assert not is_thin(matmul(16, 64, 64, True), target)
    assert not is_thin(batches(4, 8, 128, 64, True), target)


@pytest.mark.parametrize("rows", [7, 13, 17, 29, 31, 47])
@pytest.mark.parametrize("target", [AVX2, AVX512, NEON])
def test_parts_of_rows_that_nothing_divides_use_most_of_the_registers(rows, target):
    machine = MachineModel.of(target)
    lanes = machine.lanes("float32")
    tile = part_in_registers(machine, rows, lanes, lanes)
    assert 1 < tile.rows[0] < 7
    assert tile.count >= machine.vector_registers // 2


SIZES = st.sampled_from([0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 40])
DEPTHS = st.sampled_from([0, 1, 16, 31, 32, 33, 64, 100, 257])


@settings(max_examples=10)
@given(SIZES, SIZES, DEPTHS, st.booleans())
@example(16, 2, 64, False)
@example(1, 33, 257, True)
@example(7, 17, 33, True)
@example(29, 33, 257, True)
@example(5, 3, 100, False)
def test_products_of_any_size(rows, columns, depth, transposed):
    check_same(matmul(rows, columns, depth, transposed))


@pytest.mark.parametrize(
    "tensors",
    [
        lambda: epilogue(33, 100, 3),
        lambda: epilogue(16, 64, 2),
        lambda: batches(3, 20, 70, 2, False),
        lambda: batches(5, 2, 70, 19, True),
        lambda: batches(4, 1, 64, 3, False),
    ],
)
def test_what_follows_and_batches(tensors):
    check_same(tensors())


@pytest.mark.parametrize("n", [0, 1, 16, 35])
def test_rows_known_at_run_time(n):
    rows = tir.Var("n", "int64")
    check_same(matmul(rows, 3, 80), n=n)


@pytest.mark.parametrize("n", [0, 1, 31, 100])
def test_a_sum_known_at_run_time(n):
    depth = tir.Var("n", "int64")
    check_same(matmul(20, 2, depth), n=n)
    check_same(matmul(3, 20, depth, True), n=n)


@pytest.mark.parametrize(("rows", "columns"), [(20, 2), (40, 1), (16, 1)])
def test_a_sum_known_at_run_time_goes_by_vectors(rows, columns):
    func = schedule(te.create_prim_func(matmul(rows, columns, tir.Var("n", "int64"))), AVX512)
    assert "along the sum" in func.attrs["tir.schedule_reason"]
    for n in (0, 1, 15, 16, 77):
        check_same(matmul(rows, columns, tir.Var("n", "int64")), n=n)
