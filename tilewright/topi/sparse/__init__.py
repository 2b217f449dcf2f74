"""Products with matrices in compressed rows."""

from .csr import csrmm, csrmv, dense
