"""Whether LLVM knows a processor: on one that it does not, it ends the process."""

from __future__ import annotations

import functools
import re
import subprocess
import sys

from tilewright.support.errors import ArgumentError
from tilewright.target.cpus import CPUS
from tilewright.target.host import host_cpu, host_features

_ASK = """
import sys
import llvmlite.binding as llvm
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
target = llvm.Target.from_triple(sys.argv[1])
target.create_target_machine(cpu=sys.argv[2], features=sys.argv[3])
"""
_UNKNOWN = re.compile(r"'([^']*)' is not a recognized (processor|feature)")


def check_processor(triple: str, cpu: str, features: str) -> None:
    """Raises `ArgumentError` if LLVM has no such processor, or feature, for the triple.

    features: as LLVM takes them, `+avx2,-fma`.
    """
    doubtful = [f for f in features.split(",") if f and f[1:] not in _known_features()]
    unsure = "" if cpu == host_cpu() or cpu in CPUS else cpu
    if not unsure and not doubtful:
        return
    for name, kind in _unknown(triple, unsure, ",".join(doubtful)):
        raise ArgumentError(
            f"LLVM does not know the {kind} {name.lstrip('+-')!r} of {triple}",
            hint="`tilewright targets` lists this machine's; -mcpu takes names such as "
            "x86-64-v3 or znver4",
        )


@functools.cache
def _known_features() -> frozenset[str]:
    return frozenset(host_features()).union(*(row.features for row in CPUS.values()))


@functools.cache
def _unknown(triple: str, cpu: str, features: str) -> list[tuple[str, str]]:
    """Asked in a process of its own: the answer is lines on LLVM's error stream."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK, triple, cpu, features],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return _UNKNOWN.findall(done.stderr)
