"""What the question of this folder is, in a line."""
