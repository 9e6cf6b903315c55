"""A small chat service on Twisted: one command to start it, one room, private messages, nothing lost."""

__version__ = "0.1.0"
