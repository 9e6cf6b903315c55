"""Checks a Redis that others run: is it new enough, and does it keep its data?"""

from __future__ import annotations

from chatroom.store.redis.connection import Connection, StoreRefused

#: The first Redis with all that the scripts use: ``EXPIRE ... LT``. Valkey calls itself newer.
OLDEST = (7, 0)


async def advice(commands: Connection) -> list[str]:
    """One line for each promise that this Redis does not keep.

    :raises StoreRefused: it can't be used at all: too old, or a cluster.
    :raises StoreUnavailable: it is out of reach.
    """
    try:
        info = _fields(await commands.call("INFO", quiet=True))
    except StoreRefused as error:
        return [f"Whether the Redis keeps what it is given could not be checked: INFO: {error}"]
    version = info.get("redis_version", "")
    if version and _numbers(version) < OLDEST:
        raise StoreRefused(f"Redis {version} is too old: 7.0 or newer is needed")
    if info.get("cluster_enabled") == "1":
        raise StoreRefused("it is a Redis Cluster: a single Redis (with replicas) is needed")
    return [
        *_about_append_only(info.get("aof_enabled")),
        *_about_eviction(info.get("maxmemory_policy")),
    ]


def _about_append_only(enabled: str | None) -> list[str]:
    if enabled is None:
        return ["Whether the Redis has an append-only file could not be checked"]
    loss = "messages that were acknowledged are lost when it stops or crashes"
    fix = "set 'appendonly yes'"
    return [] if enabled == "1" else [f"The Redis has no append-only file: {loss}; {fix}"]


def _about_eviction(policy: str | None) -> list[str]:
    if policy is None:
        return ["Whether the Redis drops data when its memory is full could not be checked"]
    loss = f"The Redis drops data when its memory is full ({policy}), messages among it"
    fix = "set 'maxmemory-policy noeviction'"
    return [] if policy == "noeviction" else [f"{loss}; {fix}"]


def _fields(info: bytes) -> dict[str, str]:
    lines = [line for line in info.decode("utf-8", "replace").splitlines() if ":" in line]
    return {name: value for name, _, value in (line.partition(":") for line in lines)}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
