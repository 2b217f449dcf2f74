"""The converters, by family. Importing this package declares them all."""

from . import (
    activation,
    control,
    elementwise,
    image,
    linear,
    normalization,
    pooling,
    quantize,
    reduction,
    sequence,
    shape,
    tensor,
)

LOADED = (
    activation, control, elementwise, image, linear, normalization, pooling, quantize, reduction,
    sequence, shape, tensor,
)  # fmt: skip
