"""One connection's conversation: from a frame to a command to its replies."""
