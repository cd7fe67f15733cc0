"""One module per source of data sets, each with `load(dataset, paths) -> GraphTask`."""
