"""Simulated hardware with known power, to test the meter."""
