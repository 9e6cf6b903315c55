"""The soak: a day of use in a quarter of an hour, and whether the server is at its end as it was when it was warm."""
