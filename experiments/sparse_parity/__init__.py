"""Experiment: does the best process for sparse parity by a proxy also use the least energy?"""
