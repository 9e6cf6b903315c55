"""The soak: a day in a bottle, and whether the server is at its end as it was when it was warm."""
