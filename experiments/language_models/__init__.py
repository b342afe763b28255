"""Joules to an accuracy for character language models, and the exam of a modernised recipe."""
