"""What can be found out before the reactor runs: ports, what a user may do, whether Redis answers.

A start that fails later would tell nobody: once the reactor runs, twistd exits with 0, and a
daemonised one has no terminal any more.
"""

from __future__ import annotations

import os
import pwd
import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hiredis
from OpenSSL import SSL
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory

from chatroom.settings import StartError
from chatroom.store.address import RedisAddress

#: What a server says that will soon be ready.
_NOT_YET = "LOADING"


class _TryingReactor:
    """Stands in for a reactor, to find out whether an endpoint could listen: it lets go at once."""

    # ruff: noqa: ARG002  # the reactor's signatures
    def listenTCP(  # noqa: N802  # Twisted's name
        self, port: int, factory: Factory, backlog: int = 50, interface: str = ""
    ) -> None:
        self._try_to_bind(port, interface)

    def listenSSL(  # noqa: N802  # Twisted's name
        self,
        port: int,
        factory: Factory,
        contextFactory: Any,  # noqa: N803  # passed by name
        backlog: int = 50,
        interface: str = "",
    ) -> None:
        # Twisted itself would look at key and certificate when the first client comes.
        contextFactory.getContext()
        self._try_to_bind(port, interface)

    @staticmethod
    def _try_to_bind(port: int, interface: str) -> None:
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind((interface, port))
                attempt.listen(1)
            except OSError as error:
                raise CannotListenError(interface, port, error) from None


def check_endpoints(endpoints: Sequence[str], option: str = "--listen") -> None:
    """Whether the server could listen on each of them. Kinds other than TCP and TLS are not tried.

    :param option: what they were given by.
    :raises StartError: a port is taken, or may not be used, or OpenSSL will not have a key, a
        certificate or another file that an endpoint names.
    """
    for text in endpoints:
        try:
            listening = serverFromString(_TryingReactor(), text).listen(Factory())
            listening.addErrback(_reraise_if_taken, text, option)
        except AttributeError:
            # It wants more of a reactor than is tried here.
            continue
        refused: list[Any] = []
        listening.addErrback(refused.append)
        if refused:
            raise refused[0].value


def _reraise_if_taken(failure: Any, text: str, option: str) -> None:
    if failure.check(AttributeError) is not None:
        return
    error = failure.value
    if isinstance(error, CannotListenError):
        why = getattr(error.socketError, "strerror", None) or error.socketError
        raise StartError(
            f"can't listen on {text}: {why}; stop what uses that port or give {option} another one"
        )
    if isinstance(error, SSL.Error):
        why = "; ".join(str(entry[-1]) for entry in error.args[0] if entry[-1])
        raise StartError(f"can't listen on {text}: OpenSSL refuses a file that it names: {why}")
    raise StartError(f"can't listen on {text}: {error}")


#: Run as another user: whether the server's code and the data folder can be got at.
_TRY_AS_USER = """
import os, sys
try:
    import chatroom.service
    os.chdir(sys.argv[1])
except (ImportError, OSError) as error:
    sys.exit(str(error))
"""


def check_user(owner: tuple[int, int], folder: Path) -> None:
    """Whether the user that twistd will change to can run the server and enter its data folder.

    :param owner: ids of user and group.
    :raises StartError: it can't.
    """
    name = pwd.getpwuid(owner[0]).pw_name
    try:
        tried = subprocess.run(  # nosec B603 # noqa: S603 - ourselves
            [sys.executable, "-c", _TRY_AS_USER, str(folder)],
            user=owner[0],
            group=owner[1],
            extra_groups=os.getgrouplist(name, owner[1]),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        why = tried.stderr.strip() if tried.returncode else ""
    except OSError as error:
        why = str(error)
    if why:
        raise StartError(
            f"user {name} can't run the server: {why.splitlines()[-1]}; put program and data "
            "folder where that user can get at them"
        )


def check_redis(address: RedisAddress, timeout: float) -> None:
    """Whether the Redis answers; says on standard error that it is being reached for.

    :param timeout: seconds for each step.
    :raises StartError: it does not, or refuses.
    """
    print(f"chatroom: reaching for the store at {address}", file=sys.stderr)  # noqa: T201
    try:
        with _connect(address, timeout) as connection:
            if address.password is not None:
                user = [] if address.username is None else [address.username]
                _ask(connection, "AUTH", *user, address.password)
            if address.db:
                _ask(connection, "SELECT", str(address.db))
            _ask(connection, "PING")
            role = _ask(connection, "ROLE", optional=True)
            if isinstance(role, list) and role[0] == b"slave":
                primary = f"{role[1].decode()}:{role[2]}"
                raise StartError(
                    f"the store at {address} is a replica of {primary}, and takes no writes: "
                    "give --redis its primary"
                )
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or error
        raise StartError(f"the store at {address} has no valid certificate: {reason}") from None
    except OSError as error:
        why = error.strerror or str(error) or "no answer"
        raise StartError(
            f"the store at {address} is out of reach: {why}; start it, or correct --redis"
        ) from None


def _connect(address: RedisAddress, timeout: float) -> socket.socket:
    if address.path is not None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        connection.connect(address.path)
        return connection
    connection = socket.create_connection((address.host, address.port), timeout)
    if not address.tls:
        return connection
    return ssl.create_default_context().wrap_socket(connection, server_hostname=address.host)


def _ask(connection: socket.socket, *command: str, optional: bool = False) -> Any:
    parts = [part.encode() for part in command]
    connection.sendall(
        b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
    )
    reader = hiredis.Reader()
    reply: Any = False
    while reply is False:
        data = connection.recv(4096)
        if not data:
            raise OSError(0, "it closed the connection")
        reader.feed(data)
        try:
            reply = reader.gets()
        except hiredis.ProtocolError:
            raise OSError(0, "what answers there is no Redis") from None
    if isinstance(reply, hiredis.ReplyError) and not (optional or str(reply).startswith(_NOT_YET)):
        raise OSError(0, f"it says {reply}")
    return reply
