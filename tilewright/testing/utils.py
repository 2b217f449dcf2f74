"""Everything of `tilewright.testing` under TVM's other path."""

from .asserts import (
    assert_allclose,
    assert_prim_expr_equal,
    check_bool_expr_is_true,
    check_int_constraints_trans_consistency,
    check_numerical_grads,
)
from .compare import CompareBeforeAfter
from .features import *
from .parameters import (
    exclude_targets,
    fixture,
    known_failing_targets,
    main,
    parameter,
    parameters,
    parametrize_targets,
    skip_parameterizations,
    slow,
    xfail_parameterizations,
)
from .popen_pool import identity_after, terminate_self
from .targets import DEFAULT_TEST_TARGETS, IS_IN_CI, device_enabled, device_test, enabled_targets
