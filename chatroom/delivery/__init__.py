"""Delivery to clients: bounded send queues, and one encoding for many."""
