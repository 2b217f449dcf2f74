"""tilewright: a deep-learning compiler in the shape of Apache TVM, written in Python.

Nothing is imported until it is used; `tilewright.support.public` lists the public paths.
"""

from tilewright.support import public as _public

__version__ = "0.1.0"

_public.install()
__getattr__, __dir__ = _public.lazy_attributes(__name__)
