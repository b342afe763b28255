"""Experiment: reinforcement learning algorithms ranked by how much they learn at equal energy."""
