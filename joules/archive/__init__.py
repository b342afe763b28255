"""What keeps a campaign: hashes of its files, the chain down to its readings, and what others can cite."""
