"""Speed and memory, compared with the alternatives: `python -m benchmarks --help`."""
