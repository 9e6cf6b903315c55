"""How the process starts, and how it is looked into."""
