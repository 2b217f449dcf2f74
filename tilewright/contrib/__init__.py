"""TVM's `contrib` paths: every module lives in the layer that it belongs to."""

from tilewright.support import public as _public

__getattr__, __dir__ = _public.lazy_attributes(__name__)
