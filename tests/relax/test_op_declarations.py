"""Each declared operator over its samples: inference agrees with the reference."""

from typing import Any

import numpy as np
import pytest

from tilewright import relax
from tilewright.relax.op import DECLARATIONS, Declaration
from tilewright.support.dtypes import dtype_name


def as_input(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return relax.const(value)
    if isinstance(value, tuple) and any(isinstance(v, np.ndarray) for v in value):
        return relax.Tuple(tuple(relax.const(v) for v in value))
    return value


def flat(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def infos(info: Any) -> list[Any]:
    return list(info.items) if isinstance(info, relax.TupleStructInfo) else [info]


SAMPLED = [d for d in DECLARATIONS.values() if d.samples is not None and d.reference is not None]


@pytest.mark.parametrize("declared", SAMPLED, ids=lambda d: d.name)
def test_inference_agrees_with_the_reference(declared: Declaration) -> None:
    for sample in declared.samples():
        call = declared.make(*[as_input(a) for a in sample.args], **sample.attrs)
        got = declared.evaluate(call, list(sample.args))
        for array, info in zip(flat(got), infos(call.struct_info), strict=True):
            assert info.dtype == dtype_name(np.asarray(array).dtype)
            assert info.ndim == np.ndim(array)
            if info.static_shape is not None:
                assert info.static_shape == np.shape(array)


def test_every_declaration_is_documented_and_named() -> None:
    for declared in DECLARATIONS.values():
        assert declared.doc.strip(), declared.name
        assert declared.name.startswith("relax.")
