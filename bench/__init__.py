"""Measurements: the models, and how fast we and our peers run them."""
