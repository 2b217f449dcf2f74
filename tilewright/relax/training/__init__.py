"""What training programs need beside the pass `Gradient`."""

from . import utils
