"""What operators decided, applied to sessions."""
