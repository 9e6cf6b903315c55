"""The command line of ``chatroom-admin``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from chatroom import __version__
from chatroom.admin import inputs
from chatroom.config.options import OPTIONS, Option

_OPTIONS: Final = {option.name: option for option in OPTIONS}

ABOUT: Final = (
    "What operators do. It talks to the store of servers that run: give it the data folder of one,"
    " or the Redis that they share."
)


def _type(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """argparse shows the text of this exception only."""

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _add_setting(parser: argparse.ArgumentParser, name: str, environ: Mapping[str, str]) -> None:
    """An option that the server has too, with the same environment variable and default."""
    option: Option = _OPTIONS[name]
    default = environ.get(option.variable, "").strip() or option.default
    parser.add_argument(
        f"--{name}",
        metavar=option.placeholder,
        type=_type(option.parse),
        default=default,
        help=f"{option.help} [default: {option.variable}, or {option.default}]",
    )


def arguments(argv: Sequence[str], environ: Mapping[str, str]) -> argparse.Namespace:
    """Read the command line; ends the process with 2 where it is wrong."""
    parser = argparse.ArgumentParser(prog="chatroom-admin", description=ABOUT, allow_abbrev=False)
    version = f"chatroom {__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str, *, offline: bool = False) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        made.add_argument("--json", action="store_true", help="print one JSON value")
        for setting in ("data",) if offline else ("data", "redis", "store-timeout"):
            _add_setting(made, setting, environ)
        return made

    def on_user(name: str, text: str) -> argparse.ArgumentParser:
        made = command(name, text)
        made.add_argument("id", metavar="ID", type=_type(inputs.user_id))
        return made

    def why(made: argparse.ArgumentParser, *, lasts: bool = True) -> None:
        made.add_argument("--reason", type=_type(inputs.reason), default="", help="is told to them")
        if lasts:
            made.add_argument(
                "--for",
                dest="seconds",
                metavar="TIME",
                type=_type(inputs.duration),
                default=0,
                help="30m, 12h, 7d, 2w; without it: for good",
            )

    users = command("users", "list the accounts")
    users.add_argument("--online", action="store_true", help="only who is online")
    users.add_argument(
        "--after", metavar="ID", type=_type(inputs.user_id), default=0, help="only greater ids"
    )
    users.add_argument("--limit", metavar="N", type=_type(inputs.count), default=100)
    on_user("show", "all about one account, but for its messages")
    why(on_user("kick", "end somebody's sessions; they may come back"), lasts=False)
    ban = command("ban", "keep an account, or who comes from an address or network, out")
    ban.add_argument("target", metavar="TARGET", type=_type(inputs.target))
    why(ban)
    unban = command("unban", "let an account or a network in again")
    unban.add_argument("target", metavar="TARGET", type=_type(inputs.target))
    command("bans", "list the bans and mutes in force")
    why(on_user("mute", "take no messages from an account"))
    on_user("unmute", "take messages from an account again")
    announce = command("announce", "tell everybody who is online now")
    announce.add_argument("text", metavar="TEXT", type=_type(inputs.announcement))
    passwd = on_user("passwd", "set an account's password, and end its sessions")
    for setting in ("argon2", "min-password-length", "password-policy"):
        _add_setting(passwd, setting, environ)
    delete = on_user("delete", "delete an account and its mailbox for good")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    on_user("export", "all that is held about one account, as JSON")
    command("nodes", "list the servers that run")
    command("counters", "list what each server has refused since its start")
    check = command(
        "check-store",
        "look whether a stopped server's private store is whole",
        offline=True,
    )
    check.add_argument(
        "--repair", action="store_true", help="cut off what is damaged, and keep a copy of that"
    )
    log = command("log", "list what operators did")
    log.add_argument("--limit", metavar="N", type=_type(inputs.count), default=100)
    return parser.parse_args(argv)
