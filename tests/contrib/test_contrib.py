"""Temporary folders, compilers, worker processes."""

from __future__ import annotations

import math
import operator
import os
import subprocess
import time
from pathlib import Path

import pytest

from tilewright.contrib import cc, clang, utils
from tilewright.contrib.popen_pool import PopenPoolExecutor, PopenWorker, StatusKind
from tilewright.support.c_compiler import CompilerError, find_c_compiler

needs_compiler = pytest.mark.skipif(find_c_compiler() is None, reason="no C compiler")


def test_a_temporary_folder_goes_with_its_object() -> None:
    folder = utils.tempdir()
    Path(folder.relpath("a.txt")).write_text("a")
    assert folder.listdir() == ["a.txt"]
    path = Path(folder.path)
    del folder
    assert not path.exists()


def test_a_folder_is_kept_for_debugging() -> None:
    with utils.TempDirectory.set_keep_for_debug():
        folder = utils.tempdir()
    path = Path(folder.path)
    del folder
    assert path.exists()
    path.rmdir()


@needs_compiler
def test_a_program_is_made_of_a_library(tmp_path: Path) -> None:
    (tmp_path / "part.c").write_text("int part(void) { return 42; }\n")
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\nint part(void);\nint main(void) { printf("%d", part()); }\n'
    )
    library, program = str(tmp_path / "libpart.so"), str(tmp_path / "program")
    cc.create_shared(library, str(tmp_path / "part.c"))
    cc.create_executable(program, [str(tmp_path / "main.c"), library], [f"-Wl,-rpath,{tmp_path}"])
    assert subprocess.run([program], capture_output=True, check=True).stdout == b"42"
    with pytest.raises(CompilerError, match="could not make"):
        cc.create_shared(library, [str(tmp_path / "missing.c")])


def test_clang_gives_the_ir_of_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "clang"
    fake.write_text('#!/bin/sh\ncat "$5" > "$4"; echo "; $1 $2 $6" >> "$4"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert clang.find_clang()[0] == str(fake)
    kept = tmp_path / "kept.ll"
    text = clang.create_llvm("int f();\n", str(kept), ["-O2"])
    assert text == kept.read_text() == "int f();\n; -S -emit-llvm -O2\n"
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert clang.find_clang(required=False) == []
    with pytest.raises(CompilerError, match="there is no clang"):
        clang.create_llvm("int f();\n")


@needs_compiler
def test_another_compiler_is_wrapped(tmp_path: Path) -> None:
    (tmp_path / "part.c").write_text("int part(void) { return VALUE; }\n")
    function = cc.cross_compiler(cc.get_cc() or "", options=["-DVALUE=3"], output_format="so")
    function(str(tmp_path / "part.so"), [str(tmp_path / "part.c")])
    assert (tmp_path / "part.so").exists()
    assert function.output_format == "so" and function.get_target_triple()


def test_a_worker_gives_results_errors_and_is_timed() -> None:
    worker = PopenWorker(os.putenv, ("TILEWRIGHT_TEST", "1"))
    worker.send(operator.add, [2, 3])
    assert worker.recv() == 5
    worker.send(operator.add, [5, "not a number"])
    with pytest.raises(TypeError):
        worker.recv()
    worker.send(time.sleep, [5], timeout=0.01)
    with pytest.raises(TimeoutError):
        worker.recv()
    assert not worker.is_alive()
    worker.send(os._exit, [3])
    with pytest.raises(ChildProcessError):
        worker.recv()


def test_a_pool_maps_and_says_how_each_call_ended() -> None:
    pool = PopenPoolExecutor(max_workers=1)
    results = list(pool.map_with_error_catching(math.factorial, [4, "x"]))
    assert results[0] == (StatusKind.COMPLETE, 24)
    assert results[1].status == StatusKind.EXCEPTION
    assert pool.submit(max, 1, 2).result() == 2
