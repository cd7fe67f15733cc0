"""The choices of `tracker.name`: a module each, with `start(config, run)`, which returns a `Tracker`."""
