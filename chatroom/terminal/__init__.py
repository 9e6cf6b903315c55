"""The menus, on the client library alone."""
