"""What all of the library uses: its errors, models and timers."""
