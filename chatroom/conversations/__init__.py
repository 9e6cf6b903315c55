"""Rooms and mailboxes: how a session gets one, catching up and then live."""
