"""Speed and memory beside what users would take instead: `python -m benchmarks --help`."""
