"""Reinforcement learning that several questions measure: environments, networks, a learner, counts."""
