"""The struct info of `R` under the names of its constructors: `ObjectProxy` is `R.Object`."""

from .script import Callable as CallableProxy
from .script import DTensor as DTensorProxy
from .script import Object as ObjectProxy
from .script import Prim as PrimProxy
from .script import Shape as ShapeProxy
from .script import Tensor as TensorProxy
from .script import Tuple as TupleProxy
from .script import function, macro
from .script_infos import Deferred as StructInfoProxy

__all__ = [
    "CallableProxy", "DTensorProxy", "ObjectProxy", "PrimProxy", "ShapeProxy",
    "StructInfoProxy", "TensorProxy", "TupleProxy", "function", "macro",
]  # fmt: skip
