"""The converters, by family. Importing this package declares them all."""

from . import activation, elementwise, linear, normalization, pooling, reduction, shape, tensor

LOADED = (activation, elementwise, linear, normalization, pooling, reduction, shape, tensor)
