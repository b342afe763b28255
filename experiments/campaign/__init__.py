"""Experiment on the campaign as a whole: its machine, its energy and the power models of both."""
