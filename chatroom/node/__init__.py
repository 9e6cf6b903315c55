"""What all sessions of this process share."""
