"""The way out to clients: bounded queues, and one encoding for many."""
