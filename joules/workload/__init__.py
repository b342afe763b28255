"""Everything a workload may call: its session, repetition, counting, reinforcement learning."""
