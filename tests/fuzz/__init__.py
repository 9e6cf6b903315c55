"""The fuzzer: a server with no sockets, people who mind their business, and one who does not."""
