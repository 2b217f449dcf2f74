"""The converters, by family. Importing this package declares them all."""

from . import (
    activation,
    control,
    dynamic,
    elementwise,
    image,
    linear,
    ml,
    normalization,
    placing,
    pooling,
    quantize,
    random,
    recurrent,
    reduction,
    sequence,
    shape,
    signal,
    tensor,
    text,
    training,
)

LOADED = (
    activation, control, dynamic, elementwise, image, linear, ml, normalization, placing, pooling,
    quantize, random, recurrent, reduction, sequence, shape, signal, tensor, text, training,
)  # fmt: skip
