"""Watching a training run in a browser: a local web page, and the metered child process behind it."""
