"""The measured machine: processors, limits, processes, GPUs, and their use by other programs."""
