"""The intrinsics that only name an effect or an instruction: one row each.

What they mean is the back end's business; the names and arguments are those of TVM.
"""

from __future__ import annotations

from typing import Any

from ...ir.expr import IntImm, PrimExpr
from ...support.dtypes import dtype_of
from ...support.errors import ArgumentError
from ...target.codegen import known_intrinsics, llvm_lookup_intrinsic_id
from ..expr import Call, CallEffectKind, StringImm
from .declare import DTYPE_AT, as_argument, declare, intrinsic
from .packed import taking_tensors

__all__ = [
    "TVMBackendAllocWorkspace", "TVMBackendFreeWorkspace", "anylist_getitem",
    "anylist_resetitem", "anylist_setitem_call_cpacked", "anylist_setitem_call_packed", "assume",
    "break_loop", "call_cpacked", "call_cpacked_lowered", "call_llvm_intrin",
    "call_llvm_pure_intrin", "call_packed", "call_packed_lowered", "continue_loop",
    "create_barriers", "dma_copy", "dma_end_group", "dma_start_group", "dma_wait", "dp4a",
    "end_profile_intrinsic", "get_active_lane_mask",
    "get_vscale_expr", "handle_add_byte_offset", "ignore_loop_partition", "isnullptr",
    "large_uint_imm", "ldexp", "llvm_lookup_intrinsic_id", "lookup_param",
    "make_filled_simdgroup_matrix", "mma_fill", "mma_store", "prefetch", "ptx_arrive_barrier",
    "ptx_arrive_barrier_expect_tx", "ptx_commit_group", "ptx_cp_async", "ptx_cp_async_barrier",
    "ptx_cp_async_bulk", "ptx_init_barrier_thread_count", "ptx_ldg32", "ptx_ldmatrix", "ptx_mma",
    "ptx_mma_sp", "ptx_wait_barrier", "ptx_wait_group", "q_multiply_shift",
    "q_multiply_shift_per_axis", "simdgroup_load", "simdgroup_multiply_accumulate",
    "simdgroup_store", "start_profile_intrinsic", "thread_return", "tvm_access_ptr",
    "tvm_bmma_sync", "tvm_call_cpacked", "tvm_call_cpacked_lowered", "tvm_call_packed",
    "tvm_call_packed_lowered", "tvm_check_return", "tvm_fill_fragment", "tvm_load_matrix_sync",
    "tvm_mma_sync", "tvm_stack_alloca", "tvm_stack_make_array", "tvm_stack_make_shape",
    "tvm_storage_sync", "tvm_store_matrix_sync", "tvm_struct_get", "tvm_struct_set",
    "tvm_thread_allreduce", "tvm_thread_invariant", "tvm_throw_last_error", "tvm_tuple",
    "tvm_warp_activemask", "tvm_warp_shuffle", "tvm_warp_shuffle_down", "tvm_warp_shuffle_up",
    "type_annotation", "undef", "vector_reduce_add", "vector_reduce_max", "vector_reduce_min",
    "vectorcombine", "vectorhigh", "vectorlow", "vscale",
]  # fmt: skip

PURE, READ, UPDATE = CallEffectKind.Pure, CallEffectKind.ReadState, CallEffectKind.UpdateState
JUMP, ARGUMENT = CallEffectKind.ControlJump, CallEffectKind.SpecialCallArg
EMBED = CallEffectKind.EmbedInfo

# ---- control ------------------------------------------------------------------------------------

continue_loop = declare("continue_loop()", "void", JUMP, "Goes on with the next iteration.")
break_loop = declare("break_loop()", "void", JUMP, "Leaves the innermost loop.")
thread_return = declare("thread_return()", "void", JUMP, "Ends the thread of the device.")
assume = declare("assume(cond=True)", "bool", EMBED, "Promises that `cond` holds.")
undef = declare("undef(dtype='int32')", "dtype", READ, "A value that nobody has set.")
ignore_loop_partition = declare(
    "ignore_loop_partition(predicate)", "predicate", PURE,
    "`predicate`, which loops are not parted by.",
)  # fmt: skip

# ---- calls and memory ---------------------------------------------------------------------------

call_packed = declare(
    "call_packed(*args)", "int32", UPDATE, op="tvm_call_packed",
    doc="A call of a global function by name with the packed calling convention.",
)  # fmt: skip
call_cpacked = declare(
    "call_cpacked(*args)", "int32", UPDATE, op="tvm_call_cpacked",
    doc="A call of a function of this library by name with the packed calling convention.",
)  # fmt: skip
call_packed_lowered = declare(
    "call_packed_lowered(*args)", "int32", UPDATE, op="tvm_call_packed_lowered",
    doc="A packed call whose arguments stand on the stack.",
)  # fmt: skip
call_cpacked_lowered = declare(
    "call_cpacked_lowered(*args)", "int32", UPDATE, op="tvm_call_cpacked_lowered",
    doc="A packed call of a function of this library whose arguments stand on the stack.",
)  # fmt: skip
tvm_call_packed_lowered, tvm_call_cpacked_lowered = call_packed_lowered, call_cpacked_lowered
tvm_check_return = declare(
    "tvm_check_return(expected, return_unexpected, nested_call)", "int32", UPDATE,
    "The result of `nested_call`; returns `return_unexpected` unless it is `expected`.",
)  # fmt: skip
tvm_throw_last_error = declare("tvm_throw_last_error()", "handle", UPDATE, "Raises the last error.")
tvm_tuple = declare("tvm_tuple(*value)", "handle", PURE, "Several values as one.")
type_annotation = declare("type_annotation(dtype)", "dtype", PURE, "A marker of a type.")
tvm_access_ptr = declare(
    "tvm_access_ptr(ptype, data, offset, extent, rw_mask)", "handle", ARGUMENT,
    "The address `data + offset`, from which `extent` elements are read (1) or written (2).",
)  # fmt: skip
tvm_struct_get = declare(
    "tvm_struct_get(arr, index, field, dtype)", "dtype", READ, "A field of a structure in memory."
)
tvm_struct_set = declare(
    "tvm_struct_set(arr, index, field, value)", "int32", UPDATE,
    "Sets a field of a structure in memory.",
)  # fmt: skip
tvm_stack_alloca = declare(
    "tvm_stack_alloca(dtype_str, num)", "handle", UPDATE, "`num` structures on the stack."
)
tvm_stack_make_shape = declare(
    "tvm_stack_make_shape(*args)", "handle", UPDATE, "A shape on the stack."
)
tvm_stack_make_array = declare(
    "tvm_stack_make_array(data, shape, strides, ndim, arr_dtype, elem_offset)", "handle", UPDATE,
    "A tensor's header on the stack.",
)  # fmt: skip
call_packed, call_cpacked = (
    taking_tensors(call, tvm_stack_make_array, tvm_stack_make_shape)
    for call in (call_packed, call_cpacked)
)
tvm_call_packed, tvm_call_cpacked = call_packed, call_cpacked
handle_add_byte_offset = declare(
    "handle_add_byte_offset(handle, offset)", "handle", PURE, "An address moved by bytes."
)
isnullptr = declare("isnullptr(x)", "bool", PURE, "Whether an address is null.")
lookup_param = declare("lookup_param(param_name)", "handle", UPDATE, "A parameter by its name.")
prefetch = declare("prefetch(*args)", "int32", UPDATE, "Brings memory into the cache.")
TVMBackendAllocWorkspace = declare(
    "TVMBackendAllocWorkspace(device_type, device_id, nbytes, dtype_code_hint, dtype_bits_hint)",
    "handle", UPDATE, "Memory of the device's workspace.",
)  # fmt: skip
TVMBackendFreeWorkspace = declare(
    "TVMBackendFreeWorkspace(device_type, device_id, ptr)", "int32", UPDATE,
    "Gives memory of the device's workspace back.",
)  # fmt: skip
start_profile_intrinsic = declare(
    "start_profile_intrinsic(id)", "handle", UPDATE, "Starts to measure part `id`."
)
end_profile_intrinsic = declare(
    "end_profile_intrinsic(id)", "handle", UPDATE, "Ends to measure part `id`."
)
anylist_getitem = declare(
    "anylist_getitem(list_handle, index)", "handle", READ, "An item of a list of values."
)
anylist_resetitem = declare(
    "anylist_resetitem(list_handle, index)", "int32", UPDATE, "Empties an item of a list of values."
)
anylist_setitem_call_packed = declare(
    "anylist_setitem_call_packed(list_handle, index, func_name, *args)", "int32", UPDATE,
    "Sets an item of a list of values to the result of a packed call.",
)  # fmt: skip
anylist_setitem_call_cpacked = declare(
    "anylist_setitem_call_cpacked(list_handle, index, func_name, *args)", "int32", UPDATE,
    "Sets an item of a list of values to the result of a packed call of this library.",
)  # fmt: skip

# ---- arithmetic ---------------------------------------------------------------------------------

ldexp = declare("ldexp(x1, x2)", "x1", PURE, "`x1 * 2**x2`.")
large_uint_imm = declare(
    "large_uint_imm(dtype, low, high)", "dtype", PURE, "An integer of 64 bits in two halves."
)
q_multiply_shift = declare(
    "q_multiply_shift(x, y, q, s)", "int32", PURE,
    "`x * y` in fixed point with `q` bits after the point, times `2**s`, rounded.",
)  # fmt: skip
q_multiply_shift_per_axis = declare(
    "q_multiply_shift_per_axis(x, y, ls, rs, q, is_lshift_required, is_rshift_required)", "int32",
    PURE, "`q_multiply_shift` with shifts to the left and right.",
)  # fmt: skip
dp4a = declare("dp4a(vec1, vec2, acc=0)", "int32", PURE, "`acc` plus the dot product of 4 bytes.")

# ---- vectors ------------------------------------------------------------------------------------

vectorlow = declare("vectorlow(dtype, vec)", "dtype", PURE, "The lower half of a vector.")
vectorhigh = declare("vectorhigh(dtype, vec)", "dtype", PURE, "The upper half of a vector.")
vectorcombine = declare(
    "vectorcombine(dtype, vec1, vec2)", "dtype", PURE, "One vector after another."
)
vector_reduce_add = declare("vector_reduce_add(dtype, vec)", "dtype", PURE, "The sum of all lanes.")
vector_reduce_max = declare("vector_reduce_max(dtype, vec)", "dtype", PURE, "The largest lane.")
vector_reduce_min = declare("vector_reduce_min(dtype, vec)", "dtype", PURE, "The smallest lane.")
vscale = declare("vscale()", "int32", PURE, "How many times 128 bits a scalable vector holds.")
get_active_lane_mask = declare(
    "get_active_lane_mask(dtype, base, limit)", "dtype", PURE,
    "Whether `base + lane` lies below `limit`, for each lane.",
)  # fmt: skip

# ---- threads ------------------------------------------------------------------------------------

tvm_storage_sync = declare(
    "tvm_storage_sync(storage_scope)", "int32", UPDATE, "A barrier of the threads sharing a scope."
)
tvm_thread_invariant = declare(
    "tvm_thread_invariant(cond)", "cond", PURE, "`cond`, the same in all threads of a block."
)
tvm_thread_allreduce = declare(
    "tvm_thread_allreduce(*freduce_args)", "handle", UPDATE,
    "A reduction over the threads of a block, its result in all of them.",
)  # fmt: skip
tvm_warp_shuffle = declare(
    "tvm_warp_shuffle(mask, value, warp_id, width, warp_size)", "value", UPDATE,
    "`value` as the thread `warp_id` of the warp has it.",
)  # fmt: skip
tvm_warp_shuffle_up = declare(
    "tvm_warp_shuffle_up(mask, value, offset, width, warp_size)", "value", UPDATE,
    "`value` as the thread `offset` before this one has it.",
)  # fmt: skip
tvm_warp_shuffle_down = declare(
    "tvm_warp_shuffle_down(mask, value, offset, width, warp_size)", "value", UPDATE,
    "`value` as the thread `offset` after this one has it.",
)  # fmt: skip
tvm_warp_activemask = declare(
    "tvm_warp_activemask()", "uint32", UPDATE, "The threads of the warp that run, one bit each."
)

# ---- matrix fragments ---------------------------------------------------------------------------

_FRAGMENTS = "(fragment_d, index_d, fragment_a, index_a, fragment_b, index_b, fragment_c, index_c)"
tvm_load_matrix_sync = declare(
    "tvm_load_matrix_sync(fragment, m, n, k, index, buffer_ptr, stride, layout)", "handle", UPDATE,
    "Loads a fragment of a matrix.",
)  # fmt: skip
tvm_store_matrix_sync = declare(
    "tvm_store_matrix_sync(fragment, m, n, k, index, buffer_ptr, stride, layout)", "handle", UPDATE,
    "Stores a fragment of a matrix.",
)  # fmt: skip
tvm_fill_fragment = declare(
    "tvm_fill_fragment(fragment, m, n, k, index, value)", "handle", UPDATE,
    "Sets each element of a fragment.",
)  # fmt: skip
tvm_mma_sync = declare(f"tvm_mma_sync{_FRAGMENTS}", "handle", UPDATE, "`d = a @ b + c`.")
tvm_bmma_sync = declare(f"tvm_bmma_sync{_FRAGMENTS}", "handle", UPDATE, "`d = a @ b + c` of bits.")
make_filled_simdgroup_matrix = declare(
    "make_filled_simdgroup_matrix(d, index, value, col=8, row=8)", "handle", UPDATE,
    "A matrix of a SIMD group, each element `value`.",
)  # fmt: skip
simdgroup_load = declare(
    "simdgroup_load(d, index, ptr, stride, col=8, row=8, transpose_matrix=False)", "handle", UPDATE,
    "Loads a matrix of a SIMD group.",
)  # fmt: skip
simdgroup_store = declare(
    "simdgroup_store(d, index, ptr, stride, col=8, row=8, transpose_matrix=False)", "handle",
    UPDATE, "Stores a matrix of a SIMD group.",
)  # fmt: skip
simdgroup_multiply_accumulate = declare(
    "simdgroup_multiply_accumulate(d, index_d, a, index_a, b, index_b, c, index_c)", "handle",
    UPDATE, "`d = a @ b + c` of matrices of a SIMD group.",
)  # fmt: skip

# ---- PTX ----------------------------------------------------------------------------------------

_MMA = "dtype, shape, A_layout, B_layout, A_dtype, B_dtype, C_dtype, multiplicand_a, a_index"
_MMA += ", multiplicand_b, b_index, accumulator, c_index"
_COPY = "dtype, shared_ptr, shared_offset, global_ptr, global_offset, bytes"
ptx_mma = declare(
    f"ptx_mma({_MMA}, saturate, operator=None)", "dtype", UPDATE, "`c += a @ b` of a warp."
)
ptx_mma_sp = declare(
    f"ptx_mma_sp({_MMA}, metadata, meta_index, sparse_selector, saturate)", "dtype", UPDATE,
    "`c += a @ b` of a warp, `a` sparse.",
)  # fmt: skip
mma_store = declare(
    "mma_store(dtype, m, n, dst_ptr, src_ptr, src_offset, dst_stride)", "dtype", UPDATE,
    "Stores the result of `ptx_mma`.",
)  # fmt: skip
mma_fill = declare(
    "mma_fill(dtype, local_size, local_ptr, offset)", "dtype", UPDATE,
    "Sets the registers of the result of `ptx_mma` to zero.",
)  # fmt: skip
ptx_ldmatrix = declare(
    "ptx_ldmatrix(dtype, trans, num, type, local_ptr, local_offset, smem_ptr, smem_offset)",
    "dtype", UPDATE, "Loads matrices of 8x8 from shared memory into registers.",
)  # fmt: skip
ptx_cp_async = declare(
    f"ptx_cp_async({_COPY})", "dtype", UPDATE, "Copies from global to shared memory, meanwhile."
)
ptx_cp_async_bulk = declare(
    f"ptx_cp_async_bulk({_COPY}, barrier_id)", "dtype", UPDATE,
    "Copies a block from global to shared memory, meanwhile.",
)  # fmt: skip
ptx_commit_group = declare("ptx_commit_group()", "void", UPDATE, "Closes a group of copies.")
ptx_wait_group = declare(
    "ptx_wait_group(num)", "void", UPDATE, "Waits until at most `num` groups of copies run."
)
ptx_cp_async_barrier = declare(
    "ptx_cp_async_barrier(barrier_id)", "void", UPDATE, "A barrier for the copies so far."
)
ptx_init_barrier_thread_count = declare(
    "ptx_init_barrier_thread_count(barrier_id, thread_count)", "void", UPDATE,
    "Says how many threads a barrier waits for.",
)  # fmt: skip
ptx_arrive_barrier = declare(
    "ptx_arrive_barrier(barrier_id)", "void", UPDATE, "Arrives at a barrier."
)
ptx_arrive_barrier_expect_tx = declare(
    "ptx_arrive_barrier_expect_tx(barrier_id, byte_count)", "void", UPDATE,
    "Arrives at a barrier that also waits for bytes.",
)  # fmt: skip
ptx_wait_barrier = declare("ptx_wait_barrier(barrier_id)", "void", UPDATE, "Waits at a barrier.")
create_barriers = declare("create_barriers(barrier_count)", "void", UPDATE, "Makes barriers.")
ptx_ldg32 = declare(
    "ptx_ldg32(dtype, local_ptr, predicate, source, local_offset)", "dtype", UPDATE,
    "Loads an element of global memory into a register where `predicate` holds.",
)  # fmt: skip

# ---- DMA ----------------------------------------------------------------------------------------

dma_copy = declare(
    "dma_copy(queue_id, dst, src, size, bypass_cache)", "int32", UPDATE,
    "Copies `size` bytes, meanwhile.",
)  # fmt: skip
dma_wait = declare(
    "dma_wait(queue_id, in_flight)", "int32", UPDATE,
    "Waits until at most `in_flight` groups of copies of a queue run.",
)  # fmt: skip
dma_start_group = declare("dma_start_group(queue_id)", "int32", UPDATE, "Opens a group of copies.")
dma_end_group = declare("dma_end_group(queue_id)", "int32", UPDATE, "Closes a group of copies.")

# ---- LLVM ---------------------------------------------------------------------------------------

intrinsic("call_llvm_intrin", UPDATE)
intrinsic("call_llvm_pure_intrin")
DTYPE_AT.update(call_llvm_intrin=0, call_llvm_pure_intrin=0)


def call_llvm_intrin(dtype: str, name: Any, *args: Any) -> PrimExpr:
    """A call of an intrinsic of LLVM, by its name or the number that stands for it."""
    return _llvm(dtype, "tir.call_llvm_intrin", name, args)


def call_llvm_pure_intrin(dtype: str, name: Any, *args: Any) -> PrimExpr:
    """A call of an intrinsic of LLVM without side effects, by its name or number."""
    return _llvm(dtype, "tir.call_llvm_pure_intrin", name, args)


def _llvm(dtype: str, op: str, name: Any, args: tuple[Any, ...]) -> PrimExpr:
    if isinstance(name, (int, IntImm)):
        name = known_intrinsics().get(int(name), IntImm("uint32", int(name)))
    elif isinstance(name, str) and not llvm_lookup_intrinsic_id(name):
        raise ArgumentError(
            f"LLVM has no intrinsic {name!r}", hint='write a name such as "llvm.ctpop"'
        )
    head = StringImm(name) if isinstance(name, str) else name
    return Call(dtype, op, (head, *(as_argument(a) for a in args)))  # type: ignore[arg-type]


def get_vscale_expr(dtype: str, min_size: int = 128) -> PrimExpr:
    """How many elements of `dtype` a scalable vector of at least `min_size` bits holds."""
    return IntImm("int32", min_size // dtype_of(dtype).bits) * vscale()
