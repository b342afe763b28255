"""Simulated hardware with known power, and what the meter makes of it."""
