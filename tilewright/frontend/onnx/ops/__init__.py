"""The converters, by family. Importing this package declares them all."""

from . import (
    activation,
    control,
    dynamic,
    elementwise,
    image,
    linear,
    normalization,
    placing,
    pooling,
    quantize,
    recurrent,
    reduction,
    sequence,
    shape,
    signal,
    tensor,
    training,
)

LOADED = (
    activation, control, dynamic, elementwise, image, linear, normalization, placing, pooling,
    quantize, recurrent, reduction, sequence, shape, signal, tensor, training,
)  # fmt: skip
