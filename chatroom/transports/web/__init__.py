"""For browsers: the page, its requests, and a WebSocket, all on one port."""
