"""How clients connect: TCP, and the page's HTTP and WebSocket."""
