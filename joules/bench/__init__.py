"""The bench: a parent that meters, a child that works, and the record between them."""
