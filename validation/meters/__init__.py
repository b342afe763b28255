"""Other meters of energy, run beside this one."""
