"""A connection to the server that heals itself, and how it is made and checked."""
