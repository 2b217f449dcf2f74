"""What tests of TVM programs use, as `tvm.testing`. pytest is imported when it is first needed."""

from tilewright.support import public as _public

from ._ffi_api import (
    ErrorTest,
    echo,
    nop,
    object_use_count,
    test_check_eq_callback,
    test_raise_error,
    test_raise_error_callback,
    test_wrap_callback,
)
from .popen_pool import (
    after_initializer,
    call_cpp_ffi,
    call_cpp_py_ffi,
    call_py_ffi,
    fast_summation,
    initializer,
    register_ffi,
    slow_summation,
    timeout_job,
)
from .utils import *

__getattr__, __dir__ = _public.lazy_attributes(__name__)
