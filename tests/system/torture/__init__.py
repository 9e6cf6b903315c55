"""Breaks the service on purpose, under load, and holds it to its promise (``docs/delivery.md``)."""
