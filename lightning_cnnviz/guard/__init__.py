"""Putting back what belongs to the training: wherever code of others is called."""
