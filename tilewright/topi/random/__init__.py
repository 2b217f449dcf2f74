"""Random numbers from a counter: every state gives the same numbers on every device."""

from .kernel import *
