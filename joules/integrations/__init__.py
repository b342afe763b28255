"""Callbacks that log the energy of a training where its other metrics are logged."""
