"""Whether LLVM knows a processor: on one that it does not, it ends the process."""

from __future__ import annotations

import functools
import subprocess
import sys

from tilewright.support.errors import ArgumentError
from tilewright.target.cpus import CPUS
from tilewright.target.host import host_cpu

_ASK = """
import sys
import llvmlite.binding as llvm
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
llvm.Target.from_triple(sys.argv[1]).create_target_machine(cpu=sys.argv[2])
"""


def check_processor(triple: str, cpu: str) -> None:
    """Raises `ArgumentError` if LLVM has no processor of that name for the triple."""
    if cpu and cpu != host_cpu() and cpu not in CPUS and not _knows(triple, cpu):
        raise ArgumentError(
            f"LLVM does not know the processor {cpu!r} of {triple}",
            hint="leave -mcpu out for this machine, or name one such as x86-64-v3 or znver4",
        )


@functools.cache
def _knows(triple: str, cpu: str) -> bool:
    """Asked in a process of its own: the answer is a line on LLVM's error stream."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK, triple, cpu], capture_output=True, text=True, check=False
    )
    return "not a recognized processor" not in done.stderr
