"""Experiment: energy of character language models to an accuracy, and an exam for a modern recipe."""
