"""Experiment: what a floating-point operation costs in each kind of layer."""
