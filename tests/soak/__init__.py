"""The soak: a day of use in a quarter of an hour; is all as it was when the server was warm?"""
