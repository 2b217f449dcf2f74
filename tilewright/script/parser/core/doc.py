"""The classes of syntax that the parser sees: those of Python's `ast`, under TVM's path."""

from ast import *
