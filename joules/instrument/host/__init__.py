"""The machine that is measured: its processors, limits, processes, GPUs, and who else uses them."""
