"""Data sets: graphs, splits, structure and batches."""
