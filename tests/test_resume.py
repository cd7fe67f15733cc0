"""A stage that is stopped after any epoch ends with the numbers of one that was not."""
