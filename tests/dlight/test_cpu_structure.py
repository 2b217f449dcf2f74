"""The loops that the rules make, for 16 registers of 256 bits and for 32 of 512."""

import pytest

from tilewright import te, topi
from tilewright.tir.pipeline import lower
from tilewright.tir.stmt import Block, BlockRealize, For, ForKind, SeqStmt

from .kernels import AVX2, AVX512, HOST, NEON, SPLITTING, Kernel, schedule

WORDS = {ForKind.SERIAL: "for", ForKind.PARALLEL: "parallel", ForKind.VECTORIZED: "vector",
         ForKind.UNROLLED: "unroll"}  # fmt: skip


def nest(func):
    """The loops and blocks of a function: one line a chain of loops."""
    lines = []

    def walk(stmt, loops, depth):
        if isinstance(stmt, For):
            walk(stmt.body, [*loops, f"{WORDS[stmt.kind]} {stmt.extent}"], depth)
        elif isinstance(stmt, BlockRealize):
            condition = "" if str(stmt.predicate) in ("True", "T.bool(True)") else " where"
            name = stmt.block.name_hint.replace("2d_NCHWc", "")
            lines.append("  " * depth + ", ".join([*loops, name]) + condition)
        elif isinstance(stmt, SeqStmt):
            if loops:
                lines.append("  " * depth + ", ".join(loops) + ":")
            for part in stmt.seq:
                walk(part, [], depth + bool(loops))

    root = func.body.block
    assert isinstance(root, Block)
    walk(root.body, [], 0)
    return "\n".join(lines)


def made(tensors, target):
    return nest(schedule(te.create_prim_func(tensors), target))


def tensor(*shape, dtype="float32", name="x"):
    return te.placeholder(shape, dtype, name)


def blocked(lanes, size=56, taps=3):
    blocks = 64 // lanes
    x = tensor(1, blocks, size, size, lanes)
    w = tensor(blocks, blocks, taps, taps, lanes, lanes, name="w")
    b = tensor(1, blocks, 1, 1, lanes, name="b")
    layout = f"NCHW{lanes}c"
    conv = topi.nn.conv2d_NCHWc(x, w, 1, taps // 2, 1, layout, layout)
    return [x, w, b, topi.nn.relu(topi.add(conv, b))]


def matmul(rows, columns, depth, transposed=False):
    x = tensor(rows, depth)
    y = tensor(*((columns, depth) if transposed else (depth, columns)), name="y")
    return [x, y, topi.nn.matmul(x, y, None, None, False, transposed)]


def depthwise(lanes):
    x, w = tensor(1, 4, 14, 14, lanes), tensor(4, 1, 3, 3, 1, lanes, name="w")
    layout = f"NCHW{lanes}c"
    return [x, w, topi.nn.depthwise_conv2d_NCHWc(x, w, 1, 1, 1, layout, layout)]


def wide_depthwise():
    x, w = tensor(1, 4, 28, 28, 16), tensor(4, 1, 7, 7, 1, 16, name="w")
    return [x, w, topi.nn.depthwise_conv2d_NCHWc(x, w, 1, 3, 1, "NCHW16c", "NCHW16c")]


def grouped(size):
    """A convolution of 1 x 1 in groups of 68 channels, in the plain layout."""
    x, w = tensor(1, 272, size, size), tensor(272, 68, 1, 1, name="w")
    return [x, w, topi.nn.relu(topi.nn.conv(x, w, groups=4))]


def plain_depthwise():
    x, w = tensor(1, 64, 28, 28), tensor(64, 1, 3, 3, name="w")
    return [x, w, topi.nn.conv(x, w, 1, 1, 1, 64)]


def from_blocks(s=28):
    x = tensor(1, 8, s, s, 16)
    return [x, te.compute((1, 128, s, s), lambda n, c, h, w: x[n, c // 16, h, w, c % 16], "out")]


def softmax():
    x = tensor(1536, 128)
    return [x, topi.nn.softmax(x)]


def elementwise():
    x, y = tensor(64, 56, 56), tensor(64, 1, 1, name="y")
    return [x, y, topi.nn.relu(topi.add(x, y))]


FUNCTIONS = {
    "convolution": blocked,
    "matrix product": lambda lanes: matmul(128, 768, 768),
    "transposed": lambda lanes: matmul(128, 768, 768, True),
    "depthwise": depthwise,
    "softmax": lambda lanes: softmax(),
    "elementwise": lambda lanes: elementwise(),
}

NESTS = {
    ("convolution", 16): """
parallel 4:
  for 4, for 16, for 58, vector 16, pad_temp
  for 2, for 1, for 14, for 4:
    unroll 1, unroll 14, unroll 2, vector 16, conv_init
    for 4, for 3, for 3, for 4, unroll 4, unroll 1, unroll 14, unroll 2, vector 16, conv_update
    unroll 2, unroll 14, vector 16, compute
""",
    ("convolution", 8): """
parallel 4:
  for 8, for 16, for 58, vector 8, pad_temp
  for 4, for 1, for 14, for 10:
    unroll 1, unroll 6, unroll 2, vector 8, conv_init where
    for 8, for 3, for 3, for 1, unroll 8, unroll 1, unroll 6, unroll 2, vector 8, conv_update where
    unroll 2, unroll 6, vector 8, compute where
""",
    ("matrix product", 16): """
parallel 24:
  for 768, for 2, vector 16, y_global
  for 16:
    unroll 8, unroll 2, vector 16, T_matmul_NN_init
    for 96, unroll 8, unroll 8, unroll 2, vector 16, T_matmul_NN_update
    unroll 8, unroll 2, vector 16, T_matmul_NN_local
""",
    ("matrix product", 8): """
parallel 32:
  for 768, for 4, vector 8, y_global
  for 32:
    unroll 4, unroll 3, vector 8, T_matmul_NN_init
    for 96, unroll 8, unroll 4, unroll 3, vector 8, T_matmul_NN_update
    unroll 4, unroll 3, vector 8, T_matmul_NN_local
""",
    ("transposed", 16): """
parallel 24:
  for 768, for 2, vector 16, y_global
  for 16:
    unroll 8, unroll 2, vector 16, T_matmul_NT_init
    for 96, unroll 8, unroll 8, unroll 2, vector 16, T_matmul_NT_update
    unroll 8, unroll 2, vector 16, T_matmul_NT_local
""",
    ("transposed", 8): """
parallel 48:
  for 768, for 2, vector 8, y_global
  for 22:
    unroll 6, unroll 2, vector 8, T_matmul_NT_init where
    for 96, unroll 8, unroll 6, unroll 2, vector 8, T_matmul_NT_update where
    unroll 6, unroll 2, vector 8, T_matmul_NT_local where
""",
    ("depthwise", 16): """
for 1, parallel 8, for 7, for 2:
  unroll 7, vector 16, DepthwiseConv2d_init
  unroll 3, unroll 3, unroll 7, vector 16, DepthwiseConv2d_update
  unroll 7, vector 16, DepthwiseConv2d_local
""",
    ("depthwise", 8): """
for 1, parallel 8, for 7, for 2:
  unroll 7, vector 8, DepthwiseConv2d_init
  unroll 3, unroll 3, unroll 7, vector 8, DepthwiseConv2d_update
  unroll 7, vector 8, DepthwiseConv2d_local
""",
    ("softmax", 16): """
parallel 1536:
  unroll 4, vector 16, T_softmax_maxelem_rf_init
  for 2, unroll 4, vector 16, T_softmax_maxelem_rf_update
  T_softmax_maxelem_init
  for 64, T_softmax_maxelem_update
  for 8, vector 16, T_softmax_exp
  unroll 4, vector 16, T_softmax_expsum_rf_init
  for 2, unroll 4, vector 16, T_softmax_expsum_rf_update
  T_softmax_expsum_init
  for 64, T_softmax_expsum_update
  for 8, vector 16, T_softmax_norm
""",
    ("softmax", 8): """
parallel 1536:
  unroll 4, vector 8, T_softmax_maxelem_rf_init
  for 4, unroll 4, vector 8, T_softmax_maxelem_rf_update
  T_softmax_maxelem_init
  for 32, T_softmax_maxelem_update
  for 16, vector 8, T_softmax_exp
  unroll 4, vector 8, T_softmax_expsum_rf_init
  for 4, unroll 4, vector 8, T_softmax_expsum_rf_update
  T_softmax_expsum_init
  for 32, T_softmax_expsum_update
  for 16, vector 8, T_softmax_norm
""",
    ("elementwise", 16): """
parallel 64, for 196, vector 16, compute
""",
    ("elementwise", 8): """
parallel 64, for 392, vector 8, compute
""",
}


@pytest.mark.parametrize(("name", "lanes"), NESTS)
def test_loops(name, lanes):
    target = AVX512 if lanes == 16 else AVX2
    assert made(FUNCTIONS[name](lanes), target) == NESTS[name, lanes].strip("\n")


def place_of_largest():
    x = te.placeholder((100, 64), "float32", "x")
    return [x, topi.place_of(topi.max, x, 0, True)]


def turned():
    x = tensor(1, 96, 64)
    return [x, topi.transpose(x, (0, 2, 1))]


def attention():
    q, k = tensor(1, 8, 128, 32), tensor(1, 8, 32, 128, name="k")
    v = tensor(1, 8, 128, 32, name="v")
    return [q, k, v, topi.nn.matmul(topi.nn.softmax(topi.nn.matmul(q, k)), v)]


def wide_image():
    x, w = tensor(1, 64, 128, 128, 16), tensor(16, 64, 1, 1, 16, 16, name="w")
    layout = "NCHW16c"
    return [x, w, topi.nn.group_conv2d_NCHWc(x, w, 1, 0, 1, 1, layout, layout)]


def test_the_accumulators_of_a_convolution_stay_in_registers():
    kernel = Kernel(schedule(te.create_prim_func(blocked(16)), HOST))
    inner = max(kernel.asm.split("\n.LBB"), key=lambda part: part.count("vfmadd"))
    inner = inner.partition("\tjne")[0]
    assert inner.count("vfmadd") >= 64
    assert not [line for line in inner.split("\n") if "mm" in line and "(%rsp)" in line]


SPECIAL = {
    "rows and columns are one axis": (lambda: grouped(14), AVX512, """
parallel 4, for 5, for 17:
  unroll 4, unroll 3, vector 16, group_conv2d_nchw_init where
  for 1, for 1, for 17, unroll 4, unroll 4, unroll 3, vector 16, group_conv2d_nchw_update where
  unroll 4, unroll 3, vector 16, compute where
"""),
    "half vectors fill better": (lambda: grouped(7), SPLITTING, """
parallel 2, for 2, for 34:
  unroll 4, unroll 4, vector 8, group_conv2d_nchw_init where
  for 1, for 1, for 17, unroll 4, unroll 4, unroll 4, vector 8, group_conv2d_nchw_update where
  unroll 4, unroll 4, vector 8, compute where
"""),
    "each channel by itself": (plain_depthwise, AVX512, """
for 1, parallel 16:
  for 4, for 30, for 2, vector 16, pad_temp where
  for 4, for 4, for 2:
    unroll 7, vector 16, DepthwiseConv2d_init where
    unroll 3, unroll 3, unroll 7, vector 16, DepthwiseConv2d_update where
    unroll 7, vector 16, DepthwiseConv2d_local where
"""),
    "one reduction after the other by columns": (place_of_largest, AVX512, """
for 1, for 1:
  unroll 4, vector 16, x_red_init
  for 100, unroll 4, vector 16, x_red_update
  unroll 4, vector 16, x_red_local
for 1, for 1:
  unroll 4, vector 16, x_place_init
  for 100, unroll 4, vector 16, x_place_update
  unroll 4, vector 16, x_place_local
"""),
    "a wide window by rows of taps": (wide_depthwise, AVX512, """
for 1, parallel 8, for 14, for 4:
  unroll 7, vector 16, DepthwiseConv2d_init
  for 7, unroll 7, unroll 7, vector 16, DepthwiseConv2d_update
  unroll 7, vector 16, DepthwiseConv2d_local
"""),
    "square tiles are turned": (turned, AVX512, """
for 1, for 4, for 6:
  unroll 16, vector 16, x_local
  unroll 16, vector 16, T_transpose
"""),
    "scores stay near, 16 lanes": (attention, AVX512, """
for 1, parallel 16:
  for 4, for 8:
    unroll 8, unroll 2, vector 16, T_matmul_NN_init
    for 4, unroll 8, unroll 8, unroll 2, vector 16, T_matmul_NN_update
    unroll 8, unroll 2, vector 16, T_matmul_NN_1_local
  for 64:
    unroll 4, vector 16, T_softmax_maxelem_rf_init
    for 2, unroll 4, vector 16, T_softmax_maxelem_rf_update
  for 64:
    T_softmax_maxelem_init
    for 64, T_softmax_maxelem_update
  for 64, for 8, vector 16, T_softmax_exp
  for 64:
    unroll 4, vector 16, T_softmax_expsum_rf_init
    for 2, unroll 4, vector 16, T_softmax_expsum_rf_update
  for 64:
    T_softmax_expsum_init
    for 64, T_softmax_expsum_update
  for 1, for 8:
    unroll 8, unroll 2, vector 16, T_matmul_NN_1_init
    for 16, unroll 8, unroll 8, unroll 2, vector 16, T_matmul_NN_1_update
    unroll 8, unroll 2, vector 16, T_matmul_NN_divided
"""),
    "scores stay near, 4 lanes": (attention, NEON, """
for 1, parallel 16:
  for 16, for 8:
    unroll 8, unroll 2, vector 4, T_matmul_NN_init
    for 4, unroll 8, unroll 8, unroll 2, vector 4, T_matmul_NN_update
    unroll 8, unroll 2, vector 4, T_matmul_NN_1_local
  for 64:
    unroll 4, vector 4, T_softmax_maxelem_rf_init
    for 8, unroll 4, vector 4, T_softmax_maxelem_rf_update
  for 64:
    T_softmax_maxelem_init
    for 16, T_softmax_maxelem_update
  for 64, for 32, vector 4, T_softmax_exp
  for 64:
    unroll 4, vector 4, T_softmax_expsum_rf_init
    for 8, unroll 4, vector 4, T_softmax_expsum_rf_update
  for 64:
    T_softmax_expsum_init
    for 16, T_softmax_expsum_update
  for 4, for 8:
    unroll 8, unroll 2, vector 4, T_matmul_NN_1_init
    for 16, unroll 8, unroll 8, unroll 2, vector 4, T_matmul_NN_1_update
    unroll 8, unroll 2, vector 4, T_matmul_NN_divided
"""),
    "a large image is read once": (wide_image, SPLITTING, """
for 1, parallel 128, for 8, for 16:
  unroll 1, unroll 8, unroll 2, vector 16, conv_init
  for 64, for 1, for 1, for 2, unroll 8, unroll 1, unroll 8, unroll 2, vector 16, conv_update
  unroll 2, unroll 8, vector 16, conv_local
"""),
    "blocks of rows that the second cache holds": (lambda: matmul(20000, 128, 250), AVX512, """
parallel 61, for 4, for 33:
  unroll 10, unroll 2, vector 16, T_matmul_NN_init where
  for 125, unroll 2, unroll 10, unroll 2, vector 16, T_matmul_NN_update where
  unroll 10, unroll 2, vector 16, T_matmul_NN_local where
"""),
    "blocks of channels are turned": (from_blocks, AVX512, """
for 1, parallel 224, for 2:
  unroll 16, vector 16, x_local where
  unroll 16, vector 16, out where
"""),
    "whole lines are read": (lambda: from_blocks(12), AVX512, """
for 1, for 8, for 9, for 16, vector 16, out
"""),
}  # fmt: skip


@pytest.mark.parametrize("name", SPECIAL)
def test_special_loops(name):
    tensors, target, expected = SPECIAL[name]
    assert made(tensors(), target) == expected.strip("\n")


def test_what_tables_pick_from_is_not_picked_again_for_each_reader():
    x, i, j = tensor(64, 16), tensor(32, dtype="int64", name="i"), tensor(32, dtype="int64")
    picked = te.compute((64, 32), lambda r, c: x[r, i[c]] + x[r, j[c]], "picked")
    mixed = te.compute((128, 32), lambda r, c: picked[r // 2, c] + picked[r // 3, c], "mixed")
    assert [line.split()[-1] for line in made([x, i, j, mixed], AVX512).splitlines()] == [
        "picked", "mixed",
    ]  # fmt: skip


def test_images_between_two_steps_stay_in_the_caches():
    x = tensor(1, 32, 64, 64)
    lines = made([x, topi.image.resize2d(x, None, (128, 128))], AVX512).splitlines()
    assert lines == [
        "parallel 32:",
        "  for 64:",
        "    for 1, vector 16, resize_axis_ax1_00",  # its neighbours stop at the border
        "    for 6, vector 16, resize_axis_ax1_01",
        "    for 1, vector 16, resize_axis_ax1_02",
        "  for 128, for 8, vector 16, resize",
    ]


def test_what_is_picked_at_uneven_distances_is_picked_for_all_rows_at_once():
    x = tensor(1, 32, 56, 56)
    lines = made([x, topi.image.resize2d(x, None, (100, 100))], AVX512).splitlines()
    assert lines == [
        "parallel 32:",
        "  for 7, for 56, vector 16, resize_axis where",
        "  for 100, for 7, vector 16, resize where",
    ]


def pooled_images():
    h = te.var("h", "int64")
    x = te.placeholder((1, 32, h, h), name="x")
    return [x, topi.nn.pool2d(x, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), "max")]


def resized_images():
    h = te.var("h", "int64")
    x = te.placeholder((1, 32, h, h), name="x")
    return [x, topi.image.resize2d(x, None, (100, 100))]


@pytest.mark.parametrize(("tensors", "image"), [
    (pooled_images, "(h + T.int64(4)) * h + T.int64(4)"), (resized_images, "h * T.int64(100)"),
])  # fmt: skip
def test_between_two_steps_an_image_of_unknown_size_is_kept_at_a_time(tensors, image):
    module = lower(schedule(te.create_prim_func(tensors()), AVX512), packed=False)
    around, inside = module.script().split("in T.parallel(")
    assert "T.allocate(" not in around
    assert f"T.allocate([{image}]" in inside


def test_what_is_small_between_two_steps_is_computed_before():
    x = tensor(1, 8, 4, 4)
    lines = made([x, topi.image.resize2d(x, None, (16, 16))], AVX512).splitlines()
    assert [line.split()[-1] for line in lines] == ["resize_axis", "resize"]


def test_a_sum_over_far_rows_reads_memory_in_its_order():
    x = tensor(16384, 1024)
    assert made([x, topi.sum(x, 0)], AVX512).splitlines() == [
        "parallel 4:",
        "  for 64, vector 16, x_red_rf_init",
        "  for 4096, for 64, vector 16, x_red_rf_update",
        "for 8:",
        "  unroll 8, vector 16, x_red_init",
        "  unroll 4, unroll 8, vector 16, x_red_update",
        "  unroll 8, vector 16, x_red_local",
    ]


def test_many_columns_are_summed_in_parts_that_stay_in_the_first_cache():
    x = tensor(64, 1 << 20)
    lines = made([x, topi.sum(x, 0)], AVX512).splitlines()
    assert lines[0] == "parallel 256:"
    assert lines[2] == "  for 64, for 256, vector 16, x_red_update"


def test_loops_over_several_unknown_sizes_run_in_parallel_as_far_as_their_digits_are_told_apart():
    n = te.var("n", "int64")
    x = te.placeholder((1, 3, 2, n, 8), name="x")
    r, s = te.reduce_axis((0, 1)), te.reduce_axis((0, 1))
    pooled = te.compute(
        x.shape, lambda b, c, h, w, i: te.max(x[b, c, h + r, w + s, i], axis=[r, s]), "pooled"
    )
    lines = made([x, pooled], AVX512).splitlines()
    assert lines[0] == "for T.int64(1), parallel (n + T.int64(7)) // T.int64(8) * T.int64(6):"


@pytest.mark.parametrize("size", [14, "h"])
def test_the_sums_of_groups_read_the_image_where_it_lies(size):
    """No copy comes before, and each group is summed once, not for each of its channels."""
    size = te.var(size, "int64") if isinstance(size, str) else size
    x, g, b = tensor(2, 32, size, size), tensor(32, name="g"), tensor(32, name="b")
    loops = made([x, g, b, topi.nn.group_norm(x, g, b, 4, 1, [2, 3])], AVX512).split("\n")
    first, *others = [line for line in loops if not line.startswith(" ")]
    assert first == ("for 2, for 4:" if size == 14 else "parallel T.int64(8):")
    assert others[0] == first and others[1].endswith("T_group_norm where") and len(others) == 2
