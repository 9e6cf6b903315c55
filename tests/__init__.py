"""The tests: one module for each of the package, and what they share."""
