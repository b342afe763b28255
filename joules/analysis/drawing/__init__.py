"""Figures: described once as layers, printed by matplotlib, shown in a page by a script."""
