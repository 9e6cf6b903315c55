"""The store: its interface, the implementation on Redis, and the private server."""
