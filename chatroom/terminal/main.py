"""The ``chatroom`` command: its arguments, and its exit status."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from chatroom import __version__
from chatroom.common.clock import keep_time
from chatroom.terminal import texts

DEFAULT_SERVER: Final = "localhost:8889"


def arguments(argv: Sequence[str], environ: Mapping[str, str]) -> argparse.Namespace:
    """Read the command line; the help is in the language that it asks for."""
    first = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    first.add_argument("--lang", choices=texts.LANGUAGES, default=texts.language_of(environ))
    try:
        language = first.parse_known_args(argv)[0].lang
    except argparse.ArgumentError:
        language = texts.language_of(environ)
    return _parser(texts.translation(language), language).parse_args(argv)


def _parser(say: texts.Translate, language: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chatroom", description=say(texts.ABOUT), add_help=False, allow_abbrev=False
    )
    server = say(texts.HELP_SERVER).format(default=DEFAULT_SERVER)
    parser.add_argument("--server", metavar="SERVER", default=DEFAULT_SERVER, help=server)
    parser.add_argument("--tls", action="store_true", help=say(texts.HELP_TLS))
    parser.add_argument(
        "--tls-fingerprint", metavar="FINGERPRINT", help=say(texts.HELP_FINGERPRINT)
    )
    parser.add_argument(
        "--lang", choices=texts.LANGUAGES, default=language, help=say(texts.HELP_LANGUAGE)
    )
    parser.add_argument("--invite", metavar="SECRET", help=say(texts.HELP_INVITE))
    parser.add_argument("--log", metavar="FILE", type=Path, help=say(texts.HELP_LOG))
    version = f"chatroom {__version__}"
    parser.add_argument(
        "--version", action="version", version=version, help=say(texts.HELP_VERSION)
    )
    parser.add_argument("-h", "--help", action="help", help=say(texts.HELP_HELP))
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run the menus, and exit with 0, with 1 after an error, or with 128 and a signal's number."""
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        # Until the menus run, Ctrl-C simply ends the program: a traceback would help nobody.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _open_standard_files()
    settings = arguments(sys.argv[1:] if argv is None else argv, os.environ)
    # Only from here on may anything import the reactor: the choice of it comes first.
    from chatroom.terminal.running import run

    reactor = _install_reactor()
    keep_time(reactor)
    sys.exit(run(settings, reactor))


def _open_standard_files() -> None:
    """Open descriptors 0, 1 and 2 if they are closed, so that no socket gets their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _install_reactor() -> Any:
    """A reactor that takes regular files as input too, which epoll and kqueue do not."""
    if "twisted.internet.reactor" not in sys.modules:
        from twisted.internet import selectreactor

        selectreactor.install()
    from twisted.internet import reactor

    return reactor
