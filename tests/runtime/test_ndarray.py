"""Tensors: creation, copies, shared memory, views, all dtypes, awkward inputs."""

from __future__ import annotations

import gc
import pickle

import ml_dtypes
import numpy as np
import pytest

import tilewright.ffi as ffi
from tilewright.ffi import core
from tilewright.runtime import NDArray, Tensor, cpu, empty, from_dlpack, ndarray, tensor
from tilewright.runtime.vm.arguments import prepare
from tilewright.support.errors import ArgumentError

PLAIN = [f"{k}{b}" for k in ("int", "uint") for b in (8, 16, 32, 64)]
FLOATS = ["float16", "float32", "float64"]
NARROW = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu"]


def numpy_dtype(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name)) if name in NARROW else np.dtype(name)


@pytest.mark.parametrize("name", [*PLAIN, *FLOATS, *NARROW, "bool"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4), (2, 1, 3)])
def test_every_dtype_and_shape_goes_there_and_back(name: str, shape: tuple[int, ...]) -> None:
    source = (np.arange(np.prod(shape)) % 2 + 1).reshape(shape).astype(numpy_dtype(name))
    there = tensor(source)
    assert (there.shape, there.dtype, there.device) == (shape, name, cpu(0))
    back = there.numpy()
    assert back.dtype == source.dtype
    np.testing.assert_array_equal(back, source)


@pytest.mark.parametrize("name", ["float32", "bfloat16", "bool", "uint8"])
def test_memory_is_aligned(name: str) -> None:
    assert all(empty((n,), name).data_ptr() % 64 == 0 for n in (0, 1, 3, 1000))


def test_creation_copies_and_numpy_copies() -> None:
    source = np.zeros(3, "float32")
    t = tensor(source)
    source[0] = 1
    t.numpy()[1] = 1
    assert t.numpy().tolist() == [0, 0, 0]


def test_dlpack_and_views_share_memory() -> None:
    source = np.zeros(3, "float32")
    t = from_dlpack(source)
    np.from_dlpack(t)[0] = 1
    np.asarray(t)[1] = 2
    t.view_numpy()[2] = 3
    np.from_dlpack(t, copy=True)[:] = 9
    assert source.tolist() == [1, 2, 3]


def test_shared_memory_outlives_every_other_owner() -> None:
    t = tensor(np.arange(1000.0))
    view = np.from_dlpack(t)[10:]
    window = t._create_view((500,), "float64", 8)
    del t
    gc.collect()
    fresh = [empty((1000,), "float64") for _ in range(4)]
    for other in fresh:
        other[:] = -1
    assert view[0] == 10 and window.numpy()[0] == 1


@pytest.mark.parametrize(
    "source",
    [
        np.arange(12.0).reshape(3, 4)[:, ::2],
        np.arange(12.0).reshape(3, 4).T,
        np.arange(6.0)[::-1],
        np.arange(6, dtype=">i4"),
        np.frombuffer(b"\0" + np.arange(3, dtype="float32").tobytes(), "float32", 3, 1),
        np.broadcast_to(np.float32(3), (2, 2)),
    ],
    ids=["strided", "transposed", "reversed", "big-endian", "misaligned", "read-only"],
)
def test_awkward_arrays_are_copied(source: np.ndarray) -> None:
    t = tensor(source)
    assert t.is_contiguous() and t.data_ptr() % 64 == 0
    np.testing.assert_array_equal(t.numpy(), source)


def test_sharing_what_cannot_be_shared_says_so() -> None:
    read_only = np.zeros(3)
    read_only.flags.writeable = False
    with pytest.raises(ArgumentError, match=r"(?s)read-only.*tensor\(array\)"):
        from_dlpack(read_only)
    with pytest.raises(ArgumentError, match="byte order"):
        from_dlpack(np.zeros(3, ">f4"))
    with pytest.raises(ArgumentError, match="cannot share memory with int"):
        from_dlpack(3)


def test_narrow_floats_share_memory_too() -> None:
    source = np.zeros(3, ml_dtypes.bfloat16)
    t = from_dlpack(source)
    t.view_numpy()[1] = 2
    assert t.dtype == "bfloat16" and source[1] == 2


def test_strided_sharing_keeps_strides() -> None:
    t = from_dlpack(np.arange(12.0).reshape(3, 4)[:, ::2])
    assert not t.is_contiguous() and t.strides == (4, 2)
    np.testing.assert_array_equal(t.numpy(), [[0, 2], [4, 6], [8, 10]])
    assert tensor(t).is_contiguous()


@pytest.mark.parametrize("what", ["text", object(), [[1], [2, 3]], 1j, np.array(["a"])])
def test_what_is_no_tensor_is_refused(what: object) -> None:
    with pytest.raises(ArgumentError):
        tensor(what)


@pytest.mark.parametrize("dtype", ["handle", "float4_e2m1fn", "float99", "void"])
def test_dtypes_without_a_place_in_memory_are_refused(dtype: str) -> None:
    with pytest.raises(ArgumentError):
        empty((2,), dtype)


@pytest.mark.parametrize("shape", [(-1,), (2, "x"), "ab", (1 << 40, 1 << 40), 1.5])
def test_bad_shapes_are_refused(shape: object) -> None:
    with pytest.raises((ArgumentError, MemoryError)):
        empty(shape)


def test_lists_and_numbers_become_tensors() -> None:
    assert tensor([1, 2]).dtype == "int64"
    assert tensor(2.5).item() == 2.5
    assert tensor([[True]]).dtype == "bool"
    assert tensor(np.float32(3)).dtype == "float32"


def test_copies_between_tensors() -> None:
    a, b = tensor(np.arange(3.0)), empty((3,), "float64")
    assert a.copyto(b) is b
    assert b.numpy().tolist() == [0, 1, 2]
    c = a.copyto(cpu(0))
    c[:] = 9
    assert a.numpy().tolist() == [0, 1, 2]
    b.copyfrom([4, 5, 6])
    assert b.numpy().tolist() == [4, 5, 6]
    with pytest.raises(ArgumentError, match=r"shape \(2,\) to a tensor of shape \(3,\)"):
        b.copyfrom(np.zeros(2))
    with pytest.raises(ArgumentError, match="without losing values"):
        tensor([1, 2]).copyfrom(np.zeros(2))
    with pytest.raises(ArgumentError, match="expects a Tensor or a Device, found int"):
        a.copyto(3)


def test_narrow_floats_take_wider_ones() -> None:
    t = empty((2,), "bfloat16")
    t.copyfrom(np.array([1.5, 2.5], "float32"))
    assert t.numpy().astype("float32").tolist() == [1.5, 2.5]


def test_writing_and_reading_parts() -> None:
    t = tensor(np.zeros((2, 3), "float32"))
    t[:] = 1
    t[1] = [4, 5, 6]
    t[0, 1:] = tensor(np.array([7, 8], "float32"))
    assert t.numpy().tolist() == [[1, 7, 8], [4, 5, 6]]
    row = t[1]
    assert isinstance(row, Tensor) and row.shape == (3,)
    row[0] = 0
    assert t[1, 0].item() == 0
    assert [r.shape for r in t] == [(3,), (3,)]
    with pytest.raises(ArgumentError, match="cannot write"):
        t[0] = [1, 2]
    with pytest.raises(ArgumentError, match="use integers and slices"):
        t[[0, 1]]
    with pytest.raises(IndexError):
        t[5]


def test_views_reinterpret_and_stay_inside() -> None:
    t = tensor(np.arange(6, dtype="float32"))
    assert t._create_view((3, 2)).numpy().tolist() == [[0, 1], [2, 3], [4, 5]]
    assert t._create_view((2,), "int32", 4).numpy()[0] == np.float32(1).view("int32")
    assert t._create_view((0,), "bfloat16").shape == (0,)
    for shape, dtype, offset in [
        ((7,), None, 0),
        ((6,), None, 4),
        ((6,), "float64", 0),
        ((1,), None, -4),
    ]:
        with pytest.raises(ArgumentError, match="does not fit"):
            t._create_view(shape, dtype, offset)


def test_vector_types_have_their_lanes_as_a_last_dimension_in_numpy() -> None:
    t = empty((2,), "float32x4")
    assert (t.shape, t.dtype, t.nbytes) == ((2,), "float32x4", 32)
    t.copyfrom(np.arange(8, dtype="float32").reshape(2, 4))
    assert t.numpy()[1].tolist() == [4, 5, 6, 7]


def test_scalars_scopes_and_devices() -> None:
    assert empty((2,), mem_scope="global").shape == (2,)
    with pytest.raises(ArgumentError, match="no memory scope 'texture'"):
        empty((2,), mem_scope="texture")
    with pytest.raises(ArgumentError, match="opencl:0 is not available"):
        empty((2,), device="opencl")
    with pytest.raises(ArgumentError, match="exactly one element"):
        tensor([1, 2]).item()


def test_a_tensor_passes_through_functions_as_our_class() -> None:
    t = tensor([1.0])
    back = ffi.convert(lambda x: x)(t)
    assert type(back) is Tensor and back.data_ptr() == t.data_ptr()
    assert type(ffi.Array([t])[0]) is Tensor


def test_tensors_of_other_packages_are_taken() -> None:
    class Other(core.Tensor):
        pass

    core._set_class_tensor(Other)
    try:
        other = core.from_dlpack(np.arange(3, dtype="float32"))
    finally:
        core._set_class_tensor(Tensor)
    assert type(other) is Other
    assert tensor(other).numpy().tolist() == [0, 1, 2]
    assert empty((3,)).copyfrom(other).numpy().tolist() == [0, 1, 2]
    ours = from_dlpack(other)
    assert type(ours) is Tensor and ours.data_ptr() == other.data_ptr()
    assert type(prepare(other)) is Tensor


def test_pickling_and_text() -> None:
    t = tensor(np.array([1, 2], ml_dtypes.bfloat16))
    again = pickle.loads(pickle.dumps(t))
    assert again.dtype == "bfloat16" and again.numpy().tolist() == t.numpy().tolist()
    assert repr(t) == "Tensor([1, 2], shape=(2,), dtype=bfloat16, device=cpu:0)"


def test_the_older_names_stand_for_the_same() -> None:
    assert ndarray.array is tensor and NDArray is Tensor and ndarray.NDArray is Tensor
    assert ndarray.cpu(0) == cpu(0)
