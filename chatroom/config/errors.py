"""Why a server can't start."""


class StartError(Exception):
    """The server can't start. The text is the one line that the person who started it sees."""
