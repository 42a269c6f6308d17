"""What is found out of a model before its first look, by watching forward passes on a few of the samples."""
