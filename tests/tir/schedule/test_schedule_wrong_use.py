"""Each primitive used wrongly: what the user is told, in full, and that nothing has changed."""

from collections.abc import Callable

import pytest

from tests.tir.schedule.programs import conv2d, elementwise, matmul
from tilewright.support.errors import TVMError
from tilewright.tir import Schedule
from tilewright.tir.schedule.instruction import METHODS

Row = tuple[Callable, Callable[[Schedule], object], str]

ROWS: dict[str, Row] = {
    "add_unit_loop": (
        matmul,
        lambda s: s.add_unit_loop(3),
        "add_unit_loop: argument `block_or_loop`: expected a BlockRV or the name of a "
        "block, found int",
    ),
    "annotate": (
        matmul,
        lambda s: s.annotate("C", "note", object()),
        "annotate: the annotation `note` holds a value of type object\n"
        "  at block `C`\n"
        "  hint: allowed are numbers, strings, expressions and other IR, None, and lists "
        "and dictionaries of them",
    ),
    "annotate_buffer_access": (
        matmul,
        lambda s: s.annotate_buffer_access("C", 7, "read", lambda i, j: [(0, 4), (0, 4)]),
        "annotate_buffer_access: argument `gen_new_ranges`: the function does not take "
        "the block's 3 axes",
    ),
    "bind": (
        matmul,
        lambda s: s.bind(s.get_loops("C")[0], "threadIdx.w"),
        "bind: 'threadIdx.w' is no thread axis\n"
        "  at loop `i`\n"
        "  hint: use one of blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, "
        "threadIdx.y, threadIdx.z, vthread.x, vthread.y, vthread.z, vthread",
    ),
    "blockize": (
        conv2d,
        lambda s: s.blockize([]),
        "blockize: no blocks are given",
    ),
    "cache_index": (
        matmul,
        lambda s: s.cache_index("C", "global"),
        "cache_index: no index of the block is computed so often\n  at block `C`",
    ),
    "cache_inplace": (
        matmul,
        lambda s: s.cache_inplace("C", 0, "local"),
        "cache_inplace: the block does not write `A`, which it reads\n  at block `C`",
    ),
    "cache_read": (
        elementwise,
        lambda s: s.cache_read("C", 0, "nowhere"),
        "cache_read: argument `storage_scope`: there is no memory called 'nowhere'\n"
        "  hint: known are global, local, shared, texture, warp (with or without a tag, "
        "as in shared.dyn) and wmma.matrix_a, wmma.matrix_b, wmma.accumulator, "
        "metal.simdgroup, m16n8k8.matrixA, m16n8k8.matrixB, m16n8k8.matrixC",
    ),
    "cache_write": (
        elementwise,
        lambda s: s.cache_write("C", 1, "local"),
        "cache_write: argument `write_buffer_index`: block `C` has no write buffer 1\n"
        "  note: its writes: C",
    ),
    "compute_at": (
        elementwise,
        lambda s: s.compute_at("D", s.get_loops("B")[0]),
        "compute_at: the block is an output block: `D` is not allocated in its scope\n"
        "  at block `D`",
    ),
    "compute_inline": (
        elementwise,
        lambda s: s.compute_inline("D"),
        "compute_inline: the block is an output block: `D` is not allocated in its scope\n"
        "  at block `D`",
    ),
    "decompose_padding": (
        conv2d,
        lambda s: s.decompose_padding("conv", s.get_loops("conv")[0]),
        "decompose_padding: the block is not a complete block: its axis `v_rc` is not "
        "data-parallel\n"
        "  at block `conv`",
    ),
    "decompose_reduction": (
        elementwise,
        lambda s: s.decompose_reduction("C", s.get_loops("C")[0]),
        "decompose_reduction: the block is not a reduction: it has no `init`\n  at block `C`",
    ),
    "fuse": (
        matmul,
        lambda s: s.fuse(s.get_loops("C")[0], s.get_loops("C")[2]),
        "fuse: the loop is not the only child of the one before it\n  at loop `k`, loop `i`",
    ),
    "loop_partition": (
        elementwise,
        lambda s: s.loop_partition(s.get_loops("C")[0], [9, 9, None]),
        "loop_partition: the lengths may add up to more than the extent 16\n  at loop `i`",
    ),
    "merge": (
        elementwise,
        lambda s: s.merge(s.get_loops("C")[0], s.get_loops("B")[1]),
        "merge: the loops lie at different depths\n  at loop `j`, loop `i`",
    ),
    "pad_einsum": (
        elementwise,
        lambda s: s.pad_einsum("C", [0, 1]),
        "pad_einsum: [0, 1] is not a positive multiple for each of the block's axes\n"
        "  at block `C`",
    ),
    "parallel": (
        matmul,
        lambda s: s.parallel(s.get_loops("C")[2]),
        "parallel: the loop runs the axis `v_k` of block `C`, which is not data-parallel\n"
        "  at loop `k`, block `C`",
    ),
    "read_at": (
        elementwise,
        lambda s: s.read_at(s.get_loops("B")[0], s.get_block("C"), 0, "local"),
        "read_at: the loop is not around the block in its scope\n  at loop `i`, block `C`",
    ),
    "reindex": (
        conv2d,
        lambda s: s.reindex("conv", ("read", 3)),
        "reindex: argument `buffer`: block `conv` has no read buffer 3\n  note: its reads: pad, W",
    ),
    "reindex_cache_read": (
        elementwise,
        lambda s: s.reindex_cache_read("C", 0, "local", lambda i, j: (i,)),
        "reindex_cache_read: the map leaves out the axis `v_j`, which indexes the buffer\n"
        "  at block `C`",
    ),
    "reindex_cache_write": (
        matmul,
        lambda s: s.reindex_cache_write("C", 0, "local", lambda i, j, k: (i, j, k)),
        "reindex_cache_write: the map takes the reduction axis `v_k` for what is written\n"
        "  at block `C`",
    ),
    "reorder": (
        elementwise,
        lambda s: s.reorder(s.get_loops("B")[0], s.get_loops("C")[1]),
        "reorder: the loops are not nested in one another\n  at loop `i`, loop `j`",
    ),
    "reorder_block_iter_var": (
        matmul,
        lambda s: s.reorder_block_iter_var("C", [0, 0, 1]),
        "reorder_block_iter_var: [0, 0, 1] is not an order of the block's 3 axes\n  at block `C`",
    ),
    "reverse_compute_at": (
        elementwise,
        lambda s: s.reverse_compute_at("B", s.get_loops("D")[0]),
        "reverse_compute_at: a consumer of the block comes before the loop\n"
        "  at block `C`, loop `i`",
    ),
    "reverse_compute_inline": (
        elementwise,
        lambda s: s.reverse_compute_inline("B"),
        "reverse_compute_inline: the block has 0 producers in its scope, not one\n  at block `B`",
    ),
    "rfactor": (
        matmul,
        lambda s: s.rfactor(s.get_loops("C")[0], 0),
        "rfactor: the loop runs the data-parallel axis `v_i`\n  at loop `i`, block `C`",
    ),
    "rolling_buffer": (
        elementwise,
        lambda s: s.rolling_buffer("B", 0),
        "rolling_buffer: no loop holds all that writes and reads `B`\n  at block `B`, block `C`",
    ),
    "set_axis_separator": (
        elementwise,
        lambda s: s.set_axis_separator("B", ("write", 0), [3]),
        "set_axis_separator: the separators [3] are not rising places in 2 dimensions",
    ),
    "set_scope": (
        elementwise,
        lambda s: s.set_scope("D", 0, "shared"),
        "set_scope: `D` is not allocated in the function: its memory is the caller's\n"
        "  at block `D`",
    ),
    "split": (
        matmul,
        lambda s: s.split(s.get_loops("C")[0], [2, 3]),
        "split: the factors' product 6 may be less than the extent 12\n"
        "  at loop `i`\n"
        "  hint: leave one factor None to have it computed",
    ),
    "storage_align": (
        elementwise,
        lambda s: s.storage_align("B", 0, 2, 4, 1),
        "storage_align: `B` has 2 dimensions, axis 2 is not one\n  at block `B`",
    ),
    "tensorize": (
        matmul,
        lambda s: s.tensorize(s.get_loops("C")[0], "nope"),
        "tensorize: no tensor intrinsic is called 'nope'\n  at loop `i`",
    ),
    "transform_block_layout": (
        matmul,
        lambda s: s.transform_block_layout("C", lambda i, j, k: (i * 9 + k, j)),
        "transform_block_layout: the map mixes axes of the reduction and others\n  at block `C`",
    ),
    "transform_layout": (
        elementwise,
        lambda s: s.transform_layout("B", ("write", 0), lambda i, j: (i // 2, j)),
        "transform_layout: the index map lambda i, j: (i // 2, j,) has no inverse on the "
        "shape [16, 6]: two elements might meet\n"
        "  at block `B`\n"
        "  hint: assume_injective_transform=True if they do not",
    ),
    "unannotate": (
        matmul,
        lambda s: s.unannotate("C", "note"),
        "unannotate: there is no annotation 'note'\n  at block `C`",
    ),
    "unroll": (
        matmul,
        lambda s: s.unroll("C"),
        "unroll: argument `loop`: expected a LoopRV, found str",
    ),
    "unsafe_hide_buffer_access": (
        matmul,
        lambda s: s.unsafe_hide_buffer_access("C", "write", [1]),
        "unsafe_hide_buffer_access: the block has 1 write buffers, 1 is not one\n  at block `C`",
    ),
    "unsafe_set_dtype": (
        elementwise,
        lambda s: s.unsafe_set_dtype("B", 0, "float33"),
        "unsafe_set_dtype: unknown dtype 'float33'\n  hint: floats have 16, 32 or 64 bits",
    ),
    "vectorize": (
        matmul,
        lambda s: s.vectorize(s.get_loops("C")[2]),
        "vectorize: the loop runs the axis `v_k` of block `C`, which is not "
        "data-parallel\n"
        "  at loop `k`, block `C`",
    ),
    "write_at": (
        elementwise,
        lambda s: s.write_at(s.get_loops("B")[0], s.get_block("C"), 0, "local"),
        "write_at: the loop is not around the block in its scope\n  at loop `i`, block `C`",
    ),
    "get_block": (
        matmul,
        lambda s: s.get_block("D"),
        "get_block: no block is called 'D'; there are root, C",
    ),
    "get_loops": (
        matmul,
        lambda s: s.get_loops(3),
        "get_loops: argument `block`: expected a BlockRV or the name of a block, found int",
    ),
    "get_child_blocks": (
        matmul,
        lambda s: s.get_child_blocks(3),
        "get_child_blocks: argument `block_or_loop`: expected a BlockRV or the name of a "
        "block, found int",
    ),
    "get_producers": (
        matmul,
        lambda s: s.get_producers(3),
        "get_producers: argument `block`: expected a BlockRV or the name of a block, found int",
    ),
    "get_consumers": (
        matmul,
        lambda s: s.get_consumers(s.get_loops("C")[0]),
        "get_consumers: argument `block`: expected a BlockRV or the name of a block, found LoopRV",
    ),
    "get_output_blocks": (
        matmul,
        lambda s: s.get_output_blocks(None),
        "get_output_blocks: argument `scope_block`: expected a BlockRV or the name of a "
        "block, found NoneType",
    ),
    "sample_categorical": (
        matmul,
        lambda s: s.sample_categorical([1, 2], [0.5]),
        "sample_categorical: 2 candidates but 1 probabilities",
    ),
    "sample_perfect_tile": (
        matmul,
        lambda s: s.sample_perfect_tile(s.get_loops("C")[0], 0),
        "sample_perfect_tile: `n` must be at least 1, got 0\n  at loop `i`",
    ),
    "sample_partitioned_tile": (
        matmul,
        lambda s: s.sample_partitioned_tile(s.get_loops("C")[0], 2, 2),
        "sample_partitioned_tile: the partition 2 is not one of 2 places\n  at loop `i`",
    ),
    "sample_compute_location": (
        matmul,
        lambda s: s.sample_compute_location("C", decision="x"),
        "sample_compute_location: a decision is an integer, found 'x'",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_message_in_full(name: str) -> None:
    make, take, text = ROWS[name]
    sch = Schedule(make(), error_render_level="fast")
    before = sch.mod
    with pytest.raises(TVMError) as error:
        take(sch)
    assert str(error.value) == text
    assert sch.mod is before
    assert all(inst.kind.method != name for inst in sch.trace.insts)


def test_every_primitive_has_a_row() -> None:
    assert set(METHODS) - set(ROWS) == {"enter_postproc"}  # takes no argument


def test_none_stands_in_a_list_only_where_it_means_something() -> None:
    sch = Schedule(matmul(), error_render_level="fast")
    i, j, _ = sch.get_loops("C")
    sch.split(i, [None, 4])
    with pytest.raises(TVMError, match="merge: argument `loops`: expected a LoopRV, found None"):
        sch.merge(j, None, j)
    with pytest.raises(TVMError, match="argument `padding`: expected an integer, found None"):
        sch.pad_einsum("C", [None, 1, 1])
