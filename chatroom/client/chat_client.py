"""The client as its user sees it."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint

from chatroom import wire
from chatroom.client.model import Gap, History, Incoming, Login, Sent, State
from chatroom.client.position import Position


class ChatClient:
    """A connection to a chat server that heals itself."""

    #: How far the client has come in each conversation.
    position: Position
    #: Who is online, by id; complete only while `partial` is False.
    online: dict[int, wire.Person]
    partial: bool
    #: Where the client stands, and why, in one line.
    state: State
    why: str
    #: The last login, or None when nobody is logged in.
    login: Login | None

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        *,
        reactor: IReactorTime | None = None,
        on_text: Callable[[Incoming], object] | None = None,
        on_presence: Callable[[list[wire.Person], int], object] | None = None,
        on_state: Callable[[State], object] | None = None,
        on_gap: Callable[[Gap], object] | None = None,
        on_mark: Callable[[wire.ReadMes | wire.ReceivedMes], object] | None = None,
        reconnect: bool = True,
        position: Position | None = None,
    ) -> None:
        raise NotImplementedError

    def connect(self) -> Deferred[None]:
        """:raises NotConnected: the server can't be reached."""
        raise NotImplementedError

    def register(
        self, user_id: int, password: str, name: str, *, invite: str | None = None
    ) -> Deferred[None]:
        raise NotImplementedError

    def log_in(
        self, user_id: int, password: str | None = None, *, token: str | None = None
    ) -> Deferred[Login]:
        raise NotImplementedError

    def send(
        self,
        content: str,
        room: str = wire.LOBBY,
        *,
        timeout: float | None = None,
        message_id: str | None = None,
    ) -> Deferred[Sent]:
        raise NotImplementedError

    def send_private(
        self,
        to: int,
        content: str,
        *,
        timeout: float | None = None,
        message_id: str | None = None,
    ) -> Deferred[Sent]:
        raise NotImplementedError

    def users(self) -> Deferred[list[wire.Person]]:
        raise NotImplementedError

    def users_page(self, after: int = 0, limit: int = 100) -> Deferred[wire.UsersResMes]:
        raise NotImplementedError

    def history(
        self,
        *,
        room: str | None = None,
        peer: int | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> Deferred[History]:
        raise NotImplementedError

    def set_status(self, busy: bool) -> Deferred[None]:
        raise NotImplementedError

    def mark_read(self, peer: int, seq: wire.Seq | str) -> None:
        raise NotImplementedError

    def change_password(self, old: str, new: str) -> Deferred[None]:
        raise NotImplementedError

    def log_out(self, timeout: float = 5.0) -> Deferred[None]:
        raise NotImplementedError

    def close(self, timeout: float = 5.0) -> Deferred[None]:
        raise NotImplementedError
