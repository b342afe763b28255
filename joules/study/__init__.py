"""What is measured and where it is kept: options, designs, paths, fingerprints, file times."""
