"""A chat client as a library: Deferreds, a connection that heals itself, every message once.

client = await connect("localhost:8889", on_text=print)
await client.log_in(100, "123456")
await client.send("hello")
"""

from __future__ import annotations

from typing import Any

from chatroom.client.asyncio_bridge import as_task
from chatroom.client.base.errors import (
    ChatError,
    Doubt,
    LoginRefused,
    NotConnected,
    PasswordRefused,
    Refused,
    RegisterRefused,
    SendRefused,
    Unconfirmed,
    Untrusted,
)
from chatroom.client.base.model import Gap, History, Incoming, Login, Sent, State
from chatroom.client.base.timing import Timing
from chatroom.client.chat_client import ChatClient
from chatroom.client.connection.endpoint import Endpoint, client_endpoint
from chatroom.client.connection.trust import KnownServers, Trust
from chatroom.client.state.position import Position
from chatroom.common.clock import Clock
from chatroom.protocol.messages import (
    LOBBY,
    Code,
    Person,
    ReadMes,
    ReceivedMes,
    Seq,
    Status,
    UsersResMes,
)

__all__ = [
    "LOBBY",
    "ChatClient",
    "ChatError",
    "Clock",
    "Code",
    "Doubt",
    "Endpoint",
    "Gap",
    "History",
    "Incoming",
    "KnownServers",
    "Login",
    "LoginRefused",
    "NotConnected",
    "PasswordRefused",
    "Person",
    "Position",
    "ReadMes",
    "ReceivedMes",
    "Refused",
    "RegisterRefused",
    "SendRefused",
    "Sent",
    "Seq",
    "State",
    "Status",
    "Timing",
    "Trust",
    "Unconfirmed",
    "Untrusted",
    "UsersResMes",
    "as_task",
    "client_endpoint",
    "connect",
]


async def connect(
    server: str | Endpoint,
    *,
    tls: Trust | bool = False,
    reactor: Any = None,
    **options: Any,
) -> ChatClient:
    """A client that is connected to ``server``.

    :param server: ``"host:port"``, any Twisted client endpoint string, or an endpoint.
    :param tls: True: speak TLS with a server that the system's roots vouch for. A `Trust` can also
        name a certificate by its fingerprint, and know others that were accepted before.
    :param options: as `ChatClient` takes them; with ``wait=True`` it waits for a server.
    :raises Untrusted: the server's certificate is not accepted. Who is sure of its fingerprint can
        give it to `Trust.accept`, and connect again.
    :raises NotConnected: the server can't be reached; the text says why in one line.
    :raises ValueError: ``server`` is no address.
    """
    if reactor is None:
        from twisted.internet import reactor
    endpoint = client_endpoint(reactor, server, tls) if isinstance(server, str) else server
    client = ChatClient(endpoint, reactor=reactor, **options)
    try:
        await client.connect()
    except NotConnected:
        raise
    except BaseException:  # cancelled: nobody gets the client
        client.close(timeout=0)
        raise
    return client
