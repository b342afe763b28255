"""Keeps a campaign: hashes of its files, the trace down to its records, and descriptions for citation."""
