"""The commands that change something."""

from __future__ import annotations

import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getpass
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed

from chatroom.accounts.password_policy import PasswordPolicy
from chatroom.accounts.passwords import Passwords
from chatroom.admin.context import Context, Failed
from chatroom.admin.output import as_json, in_words, printable
from chatroom.config.option_parsers import Argon2
from chatroom.protocol.refusals import Refused
from chatroom.store.events import Ending
from chatroom.store.records import Account, Measure, Sanction

_T = TypeVar("_T")


def _at_once(function: Callable[..., _T], *args: object) -> Deferred[_T]:
    """Run it in the foreground: this program has nothing else to do."""
    return succeed(function(*args))


def _passwords(argon2: Argon2) -> Passwords:
    return Passwords(
        _at_once,
        time_cost=argon2.time_cost,
        memory_kib=argon2.memory_kib,
        parallelism=argon2.parallelism,
    )


# ---------------------------------------------------------------- measures


async def kick(context: Context, args: Namespace) -> None:
    """End a user's sessions now."""
    await context.account(args.id)
    online = await context.store.online()
    nodes = [n for n in sorted(online) if any(p.user_id == args.id for p in online[n])]
    if not nodes:
        raise Failed(f"user {args.id} is not online")
    await context.record("kick", args.id, args.reason)
    await context.store.end_sessions(args.id, Ending.KICKED, text=args.reason)
    context.output.give(
        {"id": args.id, "nodes": nodes}, [f"Ended user {args.id}'s sessions on {', '.join(nodes)}"]
    )


async def ban(context: Context, args: Namespace) -> None:
    """Keep an account or a network out."""
    if isinstance(args.target, int):
        await _impose(context, args.target, Measure.BAN, args)
        return
    await context.record("ban", args.target, args.reason)
    await context.store.ban_addresses(args.target, seconds=args.seconds, reason=args.reason)
    bans = await context.store.banned_addresses()
    _tell(context, args.target, f"Banned {args.target}", bans.get(args.target))


async def mute(context: Context, args: Namespace) -> None:
    """Take no messages from an account."""
    await _impose(context, args.id, Measure.MUTE, args)


async def _impose(context: Context, user_id: int, measure: Measure, args: Namespace) -> None:
    account = await context.account(user_id)
    if account.legacy:
        await _adopt(context, account)
    await context.record(measure.value, user_id, args.reason)
    if not await context.store.impose(user_id, measure, seconds=args.seconds, reason=args.reason):
        raise Failed(f"no such user: {user_id}")
    account = await context.account(user_id)
    sanction = account.banned if measure is Measure.BAN else account.muted
    word = "Banned" if measure is Measure.BAN else "Muted"
    _tell(context, user_id, f"{word} user {user_id} ({account.name})", sanction)


def _tell(context: Context, target: int | str, words: str, sanction: Sanction | None) -> None:
    # None: so short that it is over already.
    force = as_json(sanction or Sanction())
    context.output.give({"target": target} | force, [f"{words} {in_words(force)}"])


async def _adopt(context: Context, account: Account) -> None:
    """Do what the first login of an account of the original program would do: hash its password."""
    argon2 = Argon2(time_cost=2, memory_kib=19456, parallelism=1)
    hashed = await _passwords(argon2).hash(account.password)
    await context.store.replace_password(account, hashed, void_tokens=False)


async def unban(context: Context, args: Namespace) -> None:
    """Let an account or a network in again."""
    if isinstance(args.target, int):
        await _lift(context, args.target, Measure.BAN)
        return
    await context.record("unban", args.target)
    if not await context.store.unban_addresses(args.target):
        raise Failed(
            f"{args.target} is not banned: the ban of a network is lifted as it was made "
            "(chatroom-admin bans lists them)"
        )
    context.output.give({"target": args.target}, [f"{args.target} is no longer banned"])


async def unmute(context: Context, args: Namespace) -> None:
    """Take messages from an account again."""
    await _lift(context, args.id, Measure.MUTE)


async def _lift(context: Context, user_id: int, measure: Measure) -> None:
    await context.account(user_id)
    await context.record(f"un{measure.value}", user_id)
    word = "banned" if measure is Measure.BAN else "muted"
    if not await context.store.lift(user_id, measure):
        raise Failed(f"user {user_id} is not {word}")
    context.output.give({"target": user_id}, [f"User {user_id} is no longer {word}"])


async def announce(context: Context, args: Namespace) -> None:
    """Tell everybody who is online now."""
    await context.record("announce", reason=args.text)
    told = await context.store.announce(args.text)
    context.output.give({"nodes": told}, [f"Announced on {told} node{'' if told == 1 else 's'}"])


# ---------------------------------------------------------------- accounts


async def passwd(context: Context, args: Namespace) -> None:
    """Set a password; every session ends and every token is void."""
    account = await context.account(args.id)
    password = _ask_password()
    strict = args.password_policy == "strict"  # noqa: S105 - the name of a policy
    policy = PasswordPolicy(args.min_password_length, strict=strict)
    try:
        policy.check(password, args.id, account.name)
    except Refused as refused:
        raise Failed(str(refused)) from None
    if account.legacy:
        # One of ours first: else a login that is under way would not see that it changed.
        await _adopt(context, account)
        account = await context.account(args.id)
    hashed = await _passwords(args.argon2).hash(password)
    await context.record("passwd", args.id)
    if not await context.store.replace_password(account, hashed, void_tokens=True):
        raise Failed(f"the password of user {args.id} was just changed by somebody else: try again")
    context.output.give({"id": args.id}, [f"User {args.id} ({account.name}) has the new password"])


def _ask_password() -> str:
    """Twice on a terminal; else one line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    with _interruptible():
        password = getpass("New password: ")
        if getpass("The same again: ") != password:
            raise Failed("the two passwords differ: nothing was changed")
    return password


@contextmanager
def _interruptible() -> Iterator[None]:
    """While a person is asked, Ctrl-C is an answer: the reactor would wait for another one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


async def delete(context: Context, args: Namespace) -> None:
    """Delete an account for good."""
    account = await context.account(args.id)
    if not args.yes:
        _confirm(account)
    await context.record("delete", args.id)
    if not await context.store.delete_account(args.id):
        raise Failed(f"no such user: {args.id}")
    context.output.give({"id": args.id}, [f"Deleted user {args.id} ({account.name})"])


def _confirm(account: Account) -> None:
    if not sys.stdin.isatty():
        raise Failed("this deletes for good, and there is no terminal to ask on: give --yes")
    print(  # noqa: T201 - the question; the answer is not to be in what a program reads
        f"Delete user {account.user_id} ({printable(account.name)}) and its mailbox for good? "
        "Type its id: ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    with _interruptible():
        if sys.stdin.readline().strip() != str(account.user_id):
            raise Failed("nothing was deleted")
