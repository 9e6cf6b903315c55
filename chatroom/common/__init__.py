"""What knows nothing of chat: time, addresses, fingerprints, counters."""
