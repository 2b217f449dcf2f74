"""Products with matrices in compressed rows."""

from ...script.parser.arguments import explain_all as _explain_all
from .csr import csrmm, csrmv, dense

_explain_all("topi.sparse", globals())
