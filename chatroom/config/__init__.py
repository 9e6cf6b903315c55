"""The operator's settings, and the data folder."""
