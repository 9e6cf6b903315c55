"""What all of the library uses: its errors, models, waits and timers."""
