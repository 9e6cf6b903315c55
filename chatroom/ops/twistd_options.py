"""The command line of ``twistd chatroom``."""

from __future__ import annotations

import pwd
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from twisted.python import usage

from chatroom import __version__
from chatroom.config import settings
from chatroom.config.option_parsers import Option
from chatroom.config.options import OPTIONS, Settings
from chatroom.ops.launch import settle_pidfile


def _described(option: Option) -> str:
    """The help text; usage adds the default of an option that can be given once by itself."""
    if option.many and option.default is not None:
        return f"{option.help} [default: {option.default}]"
    return option.help


def _collector(option: Option) -> Callable[[Any, str], None]:
    """The method that usage calls for an option that can be given several times."""

    def collect(options: Any, text: str) -> None:
        options.many.setdefault(option.field, []).append(text)

    collect.__doc__ = _described(option)
    return collect


class Options(usage.Options):
    """Reads the command line into `Settings`; a bad one ends the process with one line."""

    longdesc = (
        "A chat server. Without options it listens on TCP port 8889 and keeps everything in"
        " ./chatroom-data. chatroom.tac takes the same settings from the environment:"
        " --max-frame is CHATROOM_MAX_FRAME, and so on."
    )
    optParameters = [
        [option.name, None, option.default, _described(option)]
        for option in OPTIONS
        if not (option.many or option.flag)
    ]
    optFlags = [[option.name, None, option.help] for option in OPTIONS if option.flag]

    def __init__(self) -> None:
        #: The values of each option that can be given several times, by `Option.field`.
        self.many: dict[str, list[str]] = {}
        super().__init__()  # type: ignore[no-untyped-call]

    def opt_version(self) -> NoReturn:
        """Display chatroom's version and exit."""
        print(f"chatroom {__version__}")  # noqa: T201 - what was asked for
        sys.exit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Read ``options``, or the process's own.

        Ends the process if they are wrong: twistd would print its whole help first, and the error
        below it.
        """
        try:
            super().parseOptions(options)  # type: ignore[no-untyped-call]
        except usage.UsageError as error:
            sys.exit(f"chatroom: {error} (twistd chatroom --help lists all options)")

    def postOptions(self) -> None:
        try:
            self._settings = settings.read(self._given())
        except ValueError as error:
            raise usage.UsageError(str(error)) from None
        if self.parent is not None:
            # Next, twistd checks whether its pidfile names a running process.
            settle_pidfile(self.parent)

    def _given(self) -> dict[str, list[str]]:
        given = {
            option.field: [str(self[option.name])] for option in OPTIONS if self.get(option.name)
        }
        return given | self.many

    def settings(self) -> Settings:
        """The settings that were read; call only after `parseOptions`."""
        return self._settings

    def owner(self) -> tuple[int, int] | None:
        """User and group that twistd will change to (``--uid``, ``--gid``); None if it won't."""
        if self.parent is None or self.parent.get("uid") is None:
            return None
        uid, gid = self.parent["uid"], self.parent["gid"]
        return uid, pwd.getpwuid(uid).pw_gid if gid is None else gid


# usage finds these methods by their names.
for _option in OPTIONS:
    if _option.many:
        setattr(Options, f"opt_{_option.field}", _collector(_option))
