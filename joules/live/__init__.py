"""A training that can be watched: a page on the loopback address, and the metered child behind it."""
