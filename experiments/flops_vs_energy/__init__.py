"""FLOPs against energy per inference across vision architectures."""
