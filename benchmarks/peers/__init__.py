"""What users would take instead, built from installed libraries alone."""
