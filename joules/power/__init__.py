"""Power models: what a machine without a counter draws, and how far each model is off at the wall."""
