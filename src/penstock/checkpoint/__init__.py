"""Checkpoints: what is stored of a running pipeline, and where."""
