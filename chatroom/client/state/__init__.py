"""What a client knows: positions, marks, who is online, what waits to be sent."""
