"""All that knows Redis: the interface, its implementation, and the private server."""
