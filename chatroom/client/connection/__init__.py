"""A connection that reconnects by itself, its endpoints, and the check of certificates."""
