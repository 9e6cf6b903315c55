"""Password hashes: argon2id in a bounded thread pool, never on the reactor."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, TypeVar

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

_T = TypeVar("_T")


class HashThreads:
    """A thread pool for hashing: one hash per thread at a time, the rest wait in a queue.

    argon2 lets go of Python's lock while it works, so threads are all it takes.
    """

    def __init__(self, reactor: IReactorFromThreads, threads: int) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=0, maxthreads=threads, name="hash")

    def start(self) -> None:
        self._pool.start()

    def stop(self) -> None:
        """Wait for the hashes that have begun; those in the queue are dropped."""
        self._pool.stop()

    def __call__(self, function: Callable[..., _T], *args: object) -> Deferred[_T]:
        return deferToThreadPool(self._reactor, self._pool, function, *args)


class Passwords:
    """Makes and checks password hashes.

    :param in_thread: runs a function that takes long, such as `HashThreads`.
    :param time_cost: passes over the memory.
    :param memory_kib: memory of one hash, in KiB.
    :param parallelism: lanes.

    The defaults are OWASP's first choice for argon2id (Password Storage Cheat Sheet).
    """

    def __init__(
        self,
        in_thread: Callable[..., Deferred[Any]],
        *,
        time_cost: int = 2,
        memory_kib: int = 19456,
        parallelism: int = 1,
    ) -> None:
        self._in_thread = in_thread
        self._hasher = PasswordHasher(time_cost, memory_kib, parallelism)

    def hash(self, password: str) -> Deferred[str]:
        """A new hash of ``password``, with a salt of its own."""
        return self._in_thread(self._hasher.hash, password)

    def verify(self, hashed: str, password: str) -> Deferred[bool]:
        """Whether ``hashed`` was made from ``password``."""
        return self._in_thread(self._verify, hashed, password)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            # The last: lone surrogates, which no password has that was ever set.
            return False

    def is_outdated(self, hashed: str) -> bool:
        """Whether ``hashed`` was made with less work than is set now; more work is fine."""
        wanted = self._hasher
        found = extract_parameters(hashed)
        return (
            found.type is not wanted.type
            or found.time_cost * found.memory_cost < wanted.time_cost * wanted.memory_cost
        )


def same_text(left: str, right: str) -> bool:
    """Compare two secrets in a time that does not tell where they differ."""
    return hmac.compare_digest(*(text.encode(errors="surrogatepass") for text in (left, right)))
