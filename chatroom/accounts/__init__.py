"""Accounts: registering, logging in, passwords and tokens; on the store's interface."""
