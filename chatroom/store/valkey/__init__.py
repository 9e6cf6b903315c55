"""The private store: a Valkey of the server's own."""
