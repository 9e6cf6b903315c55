"""The messages, their encodings, and what is said of what is refused."""
