"""A small chat service on Twisted: started by one command, and it loses nothing."""

__version__ = "0.1.0"
