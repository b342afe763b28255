"""Reinforcement learning shared by experiments: environments, networks, a learner, operation counts."""
