"""Questions of the paper, a folder each. What they stand on is in `joules`."""
