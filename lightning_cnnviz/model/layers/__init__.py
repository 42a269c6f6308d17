"""Layers: their names, which of them a word or a pattern means, and how what they put out lies on the image."""
