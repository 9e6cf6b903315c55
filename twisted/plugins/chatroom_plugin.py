"""Tells twistd of ``twistd chatroom``. Strings only: nothing is loaded before it is asked for."""

from twisted.application.service import ServiceMaker

serviceMaker = ServiceMaker(
    "chatroom",
    "chatroom.service",
    "A chat server: one room, private messages, nothing lost.",
    "chatroom",
)
