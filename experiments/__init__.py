"""A reproducible paper on the energy of machine learning: the instrument, the bench, the analysis."""
