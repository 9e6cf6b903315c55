"""Who is online, on all nodes."""
