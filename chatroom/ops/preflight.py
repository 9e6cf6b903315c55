"""Checks before the reactor runs: ports, the user's permissions, whether Redis answers.

A later failure would go unnoticed: once the reactor runs, twistd exits with 0, and a daemon has
no terminal any more.
"""

from __future__ import annotations

import errno
import os
import pwd
import socket
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import hiredis
from OpenSSL import SSL
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from chatroom.config.errors import StartError
from chatroom.config.redis_address import RedisAddress
from chatroom.store.redis.connection import primary_of

#: The error of a Redis that is loading its data and will soon be ready.
_NOT_YET = "LOADING"


class _TryingReactor:
    """Stands in for a reactor, to find out whether all endpoints could listen at the same time.

    Keeps each port open until `close`, so that two endpoints with the same port are noticed.
    """

    def __init__(self) -> None:
        self._held = ExitStack()
        #: The ports and paths that are held.
        self.held: set[int | str] = set()

    def close(self) -> None:
        self._held.close()

    # ruff: noqa: ARG002  # the reactor's signatures
    def listenTCP(  # noqa: N802  # Twisted's name
        self, port: int, factory: Factory, backlog: int = 50, interface: str = ""
    ) -> None:
        self._hold_port(port, interface)

    def listenSSL(  # noqa: N802  # Twisted's name
        self,
        port: int,
        factory: Factory,
        contextFactory: Any,  # noqa: N803  # passed by name
        backlog: int = 50,
        interface: str = "",
    ) -> None:
        # Twisted itself would load the key and certificate only for the first client.
        contextFactory.getContext()
        self._hold_port(port, interface)

    def listenUNIX(  # noqa: N802  # Twisted's name
        self,
        address: str,
        factory: Factory,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: int = 0,  # noqa: N803  # passed by name
    ) -> None:
        # If it uses a lock file, Twisted removes a socket that a killed server left behind.
        free = f"{address}.free" if wantPID and _is_left_behind(address) else address
        self._hold(socket.AF_UNIX, free, address)
        self._held.callback(Path(free).unlink, missing_ok=True)

    def _hold_port(self, port: int, interface: str) -> None:
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        self._hold(family, (interface, port), port)

    def _hold(self, family: int, address: Any, name: int | str) -> None:
        attempt = self._held.enter_context(socket.socket(family, socket.SOCK_STREAM))
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(address)
            attempt.listen(1)
        except OSError as error:
            raise CannotListenError(None, name, error) from None
        self.held.add(name)


def _is_left_behind(path: str) -> bool:
    """Whether the path is a socket on which nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        return Path(path).is_socket() and asking.connect_ex(path) == errno.ECONNREFUSED


def check_endpoints(endpoints: Mapping[str, Sequence[str]]) -> None:
    """Check that the server can listen on all endpoints at the same time.

    Endpoints other than TCP, TLS and Unix sockets are not tried.

    :param endpoints: by the option that names them.
    :raises StartError: a port or path is taken, perhaps by another endpoint, or is not permitted;
                or OpenSSL refuses a key, a certificate or another file that an endpoint names.
    """
    with closing(_TryingReactor()) as trying:
        for option, texts in endpoints.items():
            for text in texts:
                _try(trying, text, option, " or ".join(endpoints))


def _try(trying: _TryingReactor, text: str, option: str, options: str) -> None:
    try:
        listening = serverFromString(trying, text).listen(Factory())
    except AttributeError:
        # The endpoint needs more of a reactor than this stand-in has.
        return
    failures: list[Failure] = []
    listening.addErrback(failures.append)
    if not failures or failures[0].check(AttributeError) is not None:
        return
    error: Any = failures[0].value
    if isinstance(error, CannotListenError):
        why = getattr(error.socketError, "strerror", None) or error.socketError
        raise StartError(f"can't listen on {text}: {why}; {_mend(trying, error, option, options)}")
    if isinstance(error, SSL.Error):
        why = "; ".join(str(entry[-1]) for entry in error.args[0] if entry[-1])
        raise StartError(f"can't listen on {text}: OpenSSL refuses a file that it names: {why}")
    raise StartError(f"can't listen on {text}: {error}")


def _mend(trying: _TryingReactor, error: Any, option: str, options: str) -> str:
    """What to do about a port or path that is not available."""
    number = getattr(error.socketError, "errno", None)
    what = "path" if isinstance(error.port, str) else "port"
    if number == errno.EADDRINUSE and error.port in trying.held:
        return f"another {options} has that {what}: give {option} another one"
    if number == errno.EADDRINUSE:
        return f"stop what uses that {what} or give {option} another one"
    return f"give {option} another one"


#: Run as another user: checks access to the server's code and the data folder.
_TRY_AS_USER = """
import os, sys
try:
    import chatroom.service
    os.chdir(sys.argv[1])
except (ImportError, OSError) as error:
    sys.exit(str(error))
"""


def check_user(owner: tuple[int, int], folder: Path) -> None:
    """Check that the user whom twistd changes to can run the server and enter its data folder.

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
    """Check that Redis answers; prints on standard error that it is connecting.

    :param timeout: seconds for each step.
    :raises StartError: it does not, or refuses.
    """
    print(f"chatroom: connecting to the store at {address}", file=sys.stderr)  # noqa: T201
    try:
        with _connect(address, timeout) as connection:
            if address.password is not None:
                user = [] if address.username is None else [address.username]
                _ask(connection, "AUTH", *user, address.password)
            if address.db:
                _ask(connection, "SELECT", str(address.db))
            _ask(connection, "PING")
            primary = primary_of(_ask(connection, "ROLE", optional=True))
            if primary is not None:
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
            raise OSError(0, "the server there is not a Redis") from None
    if isinstance(reply, hiredis.ReplyError) and not (optional or str(reply).startswith(_NOT_YET)):
        raise OSError(0, f"it says {reply}")
    return reply
