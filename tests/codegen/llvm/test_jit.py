"""Compiling, caching, loading and unloading of object code."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tilewright.codegen.llvm import compile as compilation
from tilewright.codegen.llvm.compile import (
    OBJECTS,
    Machine,
    assembly,
    compile_module,
    compile_modules,
    host_machine,
)
from tilewright.codegen.llvm.elf import Blob, read_symbols, write_data_object
from tilewright.codegen.llvm.jit import load_objects
from tilewright.support.errors import ArgumentError, InternalError
from tilewright.support.knobs import CACHE

ANSWER = """
define i32 @answer() { ret i32 42 }
define i32 @__tvm_ffi_answer(ptr %self, ptr %args, i32 %count, ptr %ret) {
  %slot = getelementptr i64, ptr %ret, i64 1
  store i64 1, ptr %ret
  store i64 42, ptr %slot
  ret i32 0
}
"""


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    with CACHE.set(str(tmp_path)):
        yield tmp_path / "objects"


def resident_kilobytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def test_a_loaded_function_is_called_by_name_and_by_address() -> None:
    module = load_objects([compile_module(ANSWER)])
    assert module["answer"]() == 42
    assert ctypes.CFUNCTYPE(ctypes.c_int)(module.address("answer"))() == 42
    assert module.function_names() == ["answer"]


def test_a_function_keeps_the_code_alive() -> None:
    function = load_objects([compile_module(ANSWER)])["answer"]
    gc.collect()
    assert function() == 42


def test_objects_see_each_other_and_imports() -> None:
    caller = compile_module(
        "declare i32 @answer()\ndeclare i32 @imported()\n"
        "define i32 @sum() {\n %a = call i32 @answer()\n %b = call i32 @imported()\n"
        " %c = add i32 %a, %b\n ret i32 %c }"
    )
    imported = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 8)
    address = ctypes.cast(imported, ctypes.c_void_p).value
    assert address is not None
    module = load_objects([compile_module(ANSWER), caller], {"imported": address})
    assert ctypes.CFUNCTYPE(ctypes.c_int)(module.address("sum"))() == 50


def test_a_missing_symbol_is_an_error_that_names_it() -> None:
    data = compile_module(
        "declare void @nowhere()\ndefine void @f() {\n call void @nowhere()\n ret void }"
    )
    with pytest.raises(ArgumentError, match="not in this process: nowhere"):
        load_objects([data])


def test_a_missing_function_is_an_error_that_lists_the_others() -> None:
    module = load_objects([compile_module(ANSWER)])
    with pytest.raises(AttributeError, match="no function 'question'; it has answer"):
        module["question"]
    with pytest.raises(ArgumentError, match="no symbol 'question'"):
        module.address("question")


def test_loading_and_unloading_leaves_memory_where_it_was() -> None:
    data = compile_module(ANSWER + f"@big = global [{1 << 18} x i8] zeroinitializer")

    def cycles(count: int) -> None:
        for _ in range(count):
            assert load_objects([data])["answer"]() == 42

    cycles(10)
    before = resident_kilobytes()
    cycles(100)
    assert resident_kilobytes() - before < 1500


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("define i32 @f() { ret i32 %x }", "cannot parse"),
        ("define i32 @f() {\n  br label %a\na:\n  %x = add i32 %x, 1\n  ret i32 %x }", "rejects"),
    ],
)
def test_bad_input_is_an_error(text: str, message: str) -> None:
    with pytest.raises(InternalError, match=message):
        compile_module(text)


def test_an_unknown_target_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="pdp11"):
        compile_module(ANSWER, Machine("pdp11-dec-unix"))


def test_code_is_made_for_the_machine_asked_for() -> None:
    vector = "<16 x float>"
    text = f"define {vector} @f({vector} %a) {{\n %b = fadd {vector} %a, %a\n ret {vector} %b }}"
    assert "zmm" in assembly(text, Machine("x86_64-unknown-linux-gnu", features="+avx512f"))
    assert "v0.4s" in assembly(text, Machine("aarch64-unknown-linux-gnu"))


def test_equal_modules_are_compiled_once(cache: Path) -> None:
    objects = compile_modules([ANSWER, ANSWER + "; other", ANSWER], threads=2)
    assert objects[0] is objects[2]
    assert len(list(cache.iterdir())) == 2


def test_the_second_compilation_comes_from_the_disk(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compile_module(ANSWER)
    monkeypatch.setattr(compilation, "_compile", None)
    assert compile_module(ANSWER) == first


@pytest.mark.parametrize("damage", [b"", b"TWCACHE1 nonsense", None])
def test_a_damaged_entry_is_made_anew(cache: Path, damage: bytes | None) -> None:
    first = compile_module(ANSWER)
    (entry,) = cache.iterdir()
    good = entry.read_bytes()
    entry.write_bytes(good[:-1] + b"\0" * 2 if damage is None else damage)
    assert compile_module(ANSWER) == first
    assert entry.read_bytes() == good


def test_the_cache_is_bounded_and_drops_what_was_used_longest_ago(cache: Path) -> None:
    for i in range(10):
        OBJECTS.put(f"key{i}", bytes(1000))
        os.utime(cache / f"key{i}", (i, i))
    OBJECTS.get("key0")
    OBJECTS.trim(3200)
    assert sorted(path.name for path in cache.iterdir()) == ["key0", "key8", "key9"]


def test_a_cache_that_cannot_be_written_is_no_cache(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with CACHE.set(str(blocked)):
        assert load_objects([compile_module(ANSWER)])["answer"]() == 42
    with CACHE.set("off"):
        assert OBJECTS.directory() is None
        assert load_objects([compile_module(ANSWER)])["answer"]() == 42


def _compile_many(directory: str) -> int:
    with CACHE.set(directory):
        return len({compile_module(ANSWER + f"; {i % 3}") for i in range(9)})


def test_processes_may_write_the_cache_at_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(_compile_many, [str(tmp_path)] * 3) == [1, 1, 1]
    assert len(list((tmp_path / "objects").iterdir())) == 3


def test_a_data_object_holds_its_bytes_at_aligned_symbols(tmp_path: Path) -> None:
    path = tmp_path / "data.o"
    blobs = [Blob("first", b"abc"), Blob("empty", b""), Blob("second", bytes(range(100)))]
    write_data_object(path, blobs, host_machine().architecture)
    data = path.read_bytes()
    assert read_symbols(data).defined == {"first", "empty", "second"}
    module = load_objects([data])
    assert ctypes.string_at(module.address("first"), 3) == b"abc"
    assert ctypes.string_at(module.address("second"), 100) == bytes(range(100))
    assert module.address("second") % 64 == 0
