"""Experiment: floating-point operations and energy of an inference across vision architectures."""
