"""Code generators, one folder a target; `math` holds the elementary functions they share."""
