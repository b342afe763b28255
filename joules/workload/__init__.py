"""What a workload may call: its session, repetition, counting, and what several questions measure."""
