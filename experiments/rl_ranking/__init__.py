"""Experiment: reinforcement learning algorithms ranked by what they learn for the energy they use."""
