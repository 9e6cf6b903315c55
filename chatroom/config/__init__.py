"""What an operator sets, and the data folder."""
