"""How wrong estimates of energy are, on the same runs."""
