"""Experiment: energy spent on training after the network has grokked."""
