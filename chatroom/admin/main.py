"""The ``chatroom-admin`` command: its table of commands, and its exit status."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred

from chatroom.admin import actions, queries
from chatroom.admin.arguments import arguments
from chatroom.admin.context import Context, Failed, address_of, open_store
from chatroom.admin.output import Output, printable
from chatroom.admin.store_check import check_store
from chatroom.common.clock import keep_time
from chatroom.store.records import StoreUnavailable

_COMMANDS: Final[dict[str, Callable[[Context, Namespace], Awaitable[None]]]] = {
    "users": queries.users,
    "show": queries.show,
    "kick": actions.kick,
    "ban": actions.ban,
    "unban": actions.unban,
    "bans": queries.bans,
    "mute": actions.mute,
    "unmute": actions.unmute,
    "announce": actions.announce,
    "passwd": actions.passwd,
    "delete": actions.delete,
    "export": queries.export,
    "nodes": queries.nodes,
    "counters": queries.counters,
    "log": queries.log,
}


async def run(reactor: Any, args: Namespace, output: Output) -> int:
    """Carry one command out; its exit status."""
    try:
        if args.command == "check-store":
            check_store(args, output)
            return 0
        store = await open_store(reactor, address_of(args.redis, args.data), args.store_timeout)
        try:
            await _COMMANDS[args.command](Context(store, output), args)
        finally:
            await store.stop()
    except Failed as error:
        return _fail(str(error))
    except StoreUnavailable as error:
        return _fail(f"the store did not answer: this may have been done or not: {error}")
    except (EOFError, KeyboardInterrupt):
        return _fail("nothing was done")
    except BrokenPipeError:
        # The reader of the output has closed it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _fail(why: str) -> int:
    print(f"chatroom-admin: {printable(why)}", file=sys.stderr)  # noqa: T201 - for the operator
    return 1


def main(argv: Sequence[str] | None = None) -> None:
    """Exit with 0; with 1 and one line on standard error; with 2 where it was called wrongly."""
    args = arguments(sys.argv[1:] if argv is None else argv, os.environ)
    from twisted.internet.task import react

    async def start(reactor: Any) -> None:
        keep_time(reactor)
        sys.exit(await run(reactor, args, Output(json=args.json)))

    react(lambda reactor: Deferred.fromCoroutine(start(reactor)))
