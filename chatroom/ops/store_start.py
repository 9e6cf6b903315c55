"""Starts the node on its store, and logs what it is waiting for."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from chatroom.config.errors import StartError
from chatroom.config.options import Settings
from chatroom.config.redis_address import RedisAddress
from chatroom.node.node import Node
from chatroom.store.records import StoreUnavailable
from chatroom.store.redis.connection import StoreRefused
from chatroom.store.redis.store import RedisStore, StoreEmpty
from chatroom.store.valkey.supervisor import STORE_ID, PrivateStore

#: Seconds between log lines that say that there is no connection to the store yet.
PATIENCE = 5

#: The log shows this name, which operators know, instead of the module's.
_log = Logger("chatroom.service")


class StoreStart:
    """Connects a server that is starting to its store.

    :param private: the private store, if the server runs one.
    """

    def __init__(
        self,
        reactor: Any,
        store: RedisStore,
        address: RedisAddress,
        private: PrivateStore | None,
        settings: Settings,
    ) -> None:
        self._store = store
        self._address = address
        self._private = private
        self._settings = settings
        self._still_connecting = LoopingCall(self._say_why_not)
        self._still_connecting.clock = reactor

    async def start(self, node: Node) -> None:
        """Start ``node`` on the store, as soon as it answers.

        :raises StartError: the store can't be used.
        """
        if self._private is not None:
            self._private.startService()
            await self._private.when_ready()
        where = "the private store" if self._private is not None else str(self._address)
        _log.info("Connecting to {where}", where=where)
        self._still_connecting.start(PATIENCE, now=False)
        try:
            for line in await self._start(node):
                _log.warn("{line}", line=line)
        except StoreUnavailable as error:
            raise StartError(f"the store at {self._address} can't be used: {error}") from None
        finally:
            self._still_connecting.stop()
        _log.info("Everything is kept in {where}", where=self._kept_where(node.name))

    async def _start(self, node: Node) -> list[str]:
        """Retry until it succeeds: the connection may be lost again in between.

        :returns: warnings about what breaks our promises, one line each.
        :raises StoreRefused: the store answers, but can't be used.
        :raises StoreUnavailable: we were stopped.
        """
        started = False
        while True:
            await self._store.connect()
            try:
                if not started:
                    if self._private is not None:
                        await self._recognise(self._private)
                    await node.start()
                    started = True
                return await self._store.advice() if self._private is None else []
            except StoreRefused:
                raise
            except StoreUnavailable as error:
                _log.warn("The store was lost meanwhile, trying again: {error}", error=error)

    async def _recognise(self, private: PrivateStore) -> None:
        try:
            private.remember_id(await self._store.identify(private.known_id))
        except StoreEmpty as error:
            raise StartError(
                f"the private store in {self._settings.data} came up empty: {error}; put back a "
                "backup of it, or, to begin with nothing, remove "
                f"{self._settings.data / STORE_ID}"
            ) from None

    def _kept_where(self, name: str) -> str:
        folder = self._settings.data
        if self._private is not None:
            return f"{folder} ({self._private.version}, fsync {self._settings.fsync})"
        return f"the Redis at {self._address} (this node's name: {name}, in {folder})"

    def _say_why_not(self) -> None:
        _log.info("Still connecting to the store: {why}", why=self._store.why_not)
