"""Experiment: predictions from first principles against measured and published values."""
