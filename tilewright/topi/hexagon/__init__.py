"""What scripts for the Hexagon DSP use of the operators."""

from . import utils
