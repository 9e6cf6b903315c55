"""What one client may take of the server: rate, connections, backpressure, file descriptors."""
