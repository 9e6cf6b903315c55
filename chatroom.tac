"""The server for ``twistd -y chatroom.tac``: its settings come from the environment."""

import os

from twisted.application.service import Application

from chatroom.config.errors import StartError
from chatroom.config.settings import from_environment
from chatroom.service import make_service

application = Application("chatroom")
try:
    make_service(from_environment(os.environ)).setServiceParent(application)
except StartError as error:
    # Not an Exception to twistd, which would print a traceback around this one line.
    raise SystemExit(f"chatroom: {error}") from None
