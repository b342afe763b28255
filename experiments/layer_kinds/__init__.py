"""Experiment: energy of a floating-point operation in each kind of layer."""
