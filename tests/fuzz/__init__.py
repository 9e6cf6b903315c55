"""The fuzzer: a server with no sockets, people who mind their own business, and one who does not."""
