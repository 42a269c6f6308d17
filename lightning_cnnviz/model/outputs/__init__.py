"""What a model returns: where in it the scores are, and what its numbers mean."""
