"""Each attack that a chat port on the internet meets, against people who keep talking."""
