"""The command line of ``chatroom-admin``: its commands, and how durations and targets are read."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from chatroom import __version__
from chatroom.common import addresses
from chatroom.config.option_parsers import Option, number
from chatroom.config.options import OPTIONS
from chatroom.protocol import messages as wire

#: Longest reason, in characters: it goes out in one line.
MAX_REASON: Final = 500
#: Longest time that a ban or a mute can be given, in days. Longer is for good.
MAX_DAYS: Final = 36_500

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_OPTIONS: Final = {option.name: option for option in OPTIONS}

ABOUT: Final = (
    "Administers running chatroom servers through their store: give it the data folder of one of"
    " them, or the Redis that they share."
)


def duration(text: str) -> int:
    """``30m``, ``12h``, ``7d`` and so on, in seconds.

    :raises ValueError: it is none.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,9})([smhdw])", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= MAX_DAYS * 86_400:
        raise ValueError(f"{text!r} is not a duration up to {MAX_DAYS}d: write 30m, 12h, 7d or 2w")
    return seconds


def user_id(text: str) -> int:
    """:raises ValueError: it is no account's id."""
    if not (re.fullmatch("[0-9]{1,16}", text) and 1 <= int(text) <= 2**53 - 1):
        raise ValueError(f"{text!r} is not a user id (a whole number from 1 to {2**53 - 1})")
    return int(text)


def target(text: str) -> int | str:
    """An account's id, or a network as the store writes it.

    :raises ValueError: it is neither.
    """
    if re.fullmatch("[0-9]+", text):
        return user_id(text)
    try:
        return str(addresses.network(text))
    except ValueError:
        raise ValueError(
            f"{text!r} is neither a user id nor an address or network such as 192.0.2.7, "
            "192.0.2.0/24 or 2001:db8::/48"
        ) from None


def reason(text: str) -> str:
    """:raises ValueError: it can't be shown in one line."""
    if len(text) > MAX_REASON or not text.isprintable():
        raise ValueError(f"a reason is one line of at most {MAX_REASON} characters")
    return text


def announcement(text: str) -> str:
    """:raises ValueError: it can't be sent."""
    if not text.strip():
        raise ValueError("there is nothing to announce")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("that is no text in this terminal's encoding") from None
    wire.SmsMes(content=text)
    return text


#: How many lines to print.
count: Final = number(1, 100_000)


def _type(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """argparse shows the text of this exception only."""

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


class _Commands:
    """Adds commands to the parser, each with the options that all of them have."""

    def __init__(self, parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
        self._commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
        self._environ = environ

    def add(self, name: str, text: str, *, offline: bool = False) -> argparse.ArgumentParser:
        """:param offline: it works on a stopped server's data folder."""
        command = self._commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.add_argument("--json", action="store_true", help="print one JSON value")
        self.add_settings(command, "data", *(() if offline else ("redis", "store-timeout")))
        return command

    def on_user(self, name: str, text: str) -> argparse.ArgumentParser:
        """A command about one account."""
        command = self.add(name, text)
        command.add_argument("id", metavar="ID", type=_type(user_id))
        return command

    def add_settings(self, command: argparse.ArgumentParser, *names: str) -> None:
        """Options that the server has too, with the same environment variables and defaults."""
        for name in names:
            option: Option = _OPTIONS[name]
            command.add_argument(
                f"--{name}",
                metavar=option.placeholder,
                type=_type(option.parse),
                default=self._environ.get(option.variable, "").strip() or option.default,
                help=f"{option.help} [default: {option.variable}, or {option.default}]",
            )


def arguments(argv: Sequence[str], environ: Mapping[str, str]) -> argparse.Namespace:
    """Read the command line; ends the process with 2 where it is wrong."""
    parser = argparse.ArgumentParser(prog="chatroom-admin", description=ABOUT, allow_abbrev=False)
    version = f"chatroom {__version__}"
    parser.add_argument("--version", action="version", version=version)
    # In the order in which --help lists them.
    commands = _Commands(parser, environ)
    _add_users(commands)
    _add_moderation(commands)
    _add_accounts(commands)
    _add_servers(commands)
    return parser.parse_args(argv)


def _add_users(commands: _Commands) -> None:
    users = commands.add("users", "list the accounts")
    users.add_argument("--online", action="store_true", help="only users who are online")
    users.add_argument(
        "--after", metavar="ID", type=_type(user_id), default=0, help="only greater ids"
    )
    _add_limit(users)
    commands.on_user("show", "show one account, without its messages")


def _add_moderation(commands: _Commands) -> None:
    kick = commands.on_user("kick", "end a user's sessions; the user may log in again")
    _add_reason(kick)
    ban = commands.add("ban", "keep out an account, or everybody from an address or network")
    unban = commands.add("unban", "let an account or a network in again")
    for command in (ban, unban):
        command.add_argument("target", metavar="TARGET", type=_type(target))
    commands.add("bans", "list the bans and mutes in force")
    mute = commands.on_user("mute", "take no messages from an account")
    commands.on_user("unmute", "take messages from an account again")
    for command in (ban, mute):
        _add_reason(command)
        command.add_argument(
            "--for",
            dest="seconds",
            metavar="TIME",
            type=_type(duration),
            default=0,
            help="30m, 12h, 7d, 2w; without it: for good",
        )
    announce = commands.add("announce", "send a message to everybody who is online now")
    announce.add_argument("text", metavar="TEXT", type=_type(announcement))


def _add_accounts(commands: _Commands) -> None:
    passwd = commands.on_user("passwd", "set an account's password, and end its sessions")
    commands.add_settings(passwd, "argon2", "min-password-length", "password-policy")
    delete = commands.on_user("delete", "delete an account and its mailbox for good")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    commands.on_user("export", "print everything that is stored about one account, as JSON")


def _add_servers(commands: _Commands) -> None:
    commands.add("nodes", "list the running servers")
    commands.add("counters", "list what each server has refused since its start")
    check = commands.add(
        "check-store", "check a stopped server's private store for damage", offline=True
    )
    check.add_argument(
        "--repair", action="store_true", help="cut off damaged data, and keep a copy of it"
    )
    _add_limit(commands.add("log", "list what operators did"))


def _add_limit(command: argparse.ArgumentParser) -> None:
    command.add_argument("--limit", metavar="N", type=_type(count), default=100)


def _add_reason(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--reason", type=_type(reason), default="", help="shown to the users concerned"
    )
