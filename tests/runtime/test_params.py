"""Parameters go to bytes and files and back; damage is noticed."""

from __future__ import annotations

import random
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from tilewright.runtime import (
    load_param_dict,
    load_param_dict_from_file,
    save_param_dict,
    save_param_dict_to_file,
    tensor,
)
from tilewright.support.errors import ArgumentError

PARAMS = {
    "w": np.arange(6, dtype="float32").reshape(2, 3),
    "b": np.array(2, ml_dtypes.bfloat16),
    "empty": np.zeros((0, 5), "int8"),
    "flag": np.array([True, False]),
    "strided": np.arange(8)[::2],
    "ünïcode.名": np.zeros(1, "uint64"),
}


def check(loaded: dict) -> None:
    assert list(loaded) == list(PARAMS)
    for name, value in PARAMS.items():
        assert loaded[name].numpy().dtype == value.dtype
        np.testing.assert_array_equal(loaded[name].numpy(), value)


def test_bytes() -> None:
    check(load_param_dict(save_param_dict({k: tensor(v) for k, v in PARAMS.items()})))
    check(load_param_dict(bytearray(save_param_dict(PARAMS))))
    assert load_param_dict(save_param_dict({})) == {}


def test_the_format_is_stable() -> None:
    data = save_param_dict({"x": np.array([1, 2], "uint8")})
    assert data[:8] == b"TWTENSOR" and data[8:12] == b"\1\0\0\0"
    assert data[-64:-62] == b"\1\2" and len(data) % 64 == 0


def test_loaded_tensors_are_aligned_and_writable() -> None:
    loaded = load_param_dict(save_param_dict(PARAMS))
    loaded["w"][:] = 7
    assert loaded["w"].data_ptr() % 64 == 0 and loaded["w"].numpy().sum() == 42


def test_files(tmp_path: Path) -> None:
    save_param_dict_to_file(PARAMS, tmp_path / "p.bin")
    check(load_param_dict_from_file(tmp_path / "p.bin"))
    assert [p.name for p in tmp_path.iterdir()] == ["p.bin"]
    with pytest.raises(ArgumentError, match="cannot read"):
        load_param_dict_from_file(tmp_path / "missing.bin")


@pytest.mark.parametrize("size", [0, 3, 23, 24, 60, 300])
def test_truncated_data(size: int) -> None:
    with pytest.raises(ArgumentError):
        load_param_dict(save_param_dict(PARAMS)[:size])


def test_missing_tail() -> None:
    data = save_param_dict({"w": np.zeros(1000, "float32")})
    with pytest.raises(ArgumentError, match="truncated or damaged: a tensor of shape"):
        load_param_dict(data[:-200])


def test_flipped_header_bits() -> None:
    data = save_param_dict(PARAMS)
    header = int.from_bytes(data[16:24], "little")
    noise = random.Random(0)
    for _ in range(200):
        damaged = bytearray(data)
        damaged[noise.randrange(24 + header)] ^= 1 << noise.randrange(8)
        with pytest.raises(ArgumentError):
            load_param_dict(damaged)


def test_names_are_strings() -> None:
    with pytest.raises(ArgumentError, match="names are strings"):
        save_param_dict({1: np.zeros(1)})  # type: ignore[dict-item]


def test_other_content_is_refused() -> None:
    from tilewright.runtime import tensor_file

    with pytest.raises(ArgumentError, match="holds no parameters"):
        load_param_dict(tensor_file.to_bytes({"kind": "other"}, []))
