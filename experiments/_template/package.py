"""Experiment: the question of this folder, in a line."""
