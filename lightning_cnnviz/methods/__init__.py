"""Tensor mathematics of the methods: torch in, torch out."""
