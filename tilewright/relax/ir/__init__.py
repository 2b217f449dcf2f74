"""What Relax adds to the infrastructure of passes."""

from . import instrument
