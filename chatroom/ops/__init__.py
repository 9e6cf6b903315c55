"""Starting the process, and diagnostics."""
