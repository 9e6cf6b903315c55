"""What comes from the server while the menus run, kept and shown."""
