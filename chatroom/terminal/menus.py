"""The menus: which one is shown next, from connecting to leaving."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

from chatroom.client.base.errors import ChatError, Doubt, NotConnected, Untrusted
from chatroom.client.base.model import State
from chatroom.client.chat_client import ChatClient
from chatroom.client.connection.trust import Trust
from chatroom.common.clock import Clock
from chatroom.terminal import input_checks, texts
from chatroom.terminal.choices import Choices
from chatroom.terminal.dialogue import Dialogue
from chatroom.terminal.incoming.arrivals import Arrivals
from chatroom.terminal.screen import BadLine, EndOfInput, OutputClosed, Screen, Style
from chatroom.terminal.screen.glyphs import harmless_name
from chatroom.terminal.wording import Wording

#: Seconds for logging out and closing.
LEAVE_TIMEOUT: Final = 3.0
#: Characters shown of a script's line that is not a valid choice.
MAX_SHOWN: Final = 40


class Menus:
    """One person's conversation with the server, from the first menu to the last.

    :param server: as the person wrote it.
    :param make_client: makes the client, given its callbacks.
    :param trust: which certificates the client accepts, if it uses TLS.
    :param invite: the invitation to register with, if there is one.
    """

    def __init__(
        self,
        screen: Screen,
        wording: Wording,
        clock: Clock,
        server: str,
        make_client: Callable[..., ChatClient],
        trust: Trust | None = None,
        *,
        invite: str | None = None,
    ) -> None:
        self._screen = screen
        self._wording = wording
        self._say = wording.say
        self._server = server
        self._arrivals = Arrivals(screen, wording, clock, make_client, self._connection_ended)
        self._client = self._arrivals.client
        self._dialogue = Dialogue(screen, self._say)
        self._trust = trust
        self._choices = Choices(screen, wording, self._dialogue, self._arrivals, invite)

    async def run(self) -> int:
        """Run the menus to their end; returns the exit status.

        Without a person who would see it, an error makes the status 1. A successful login
        clears the errors from before it.
        """
        try:
            return await self._converse()
        except OutputClosed:
            return 0
        finally:
            await self._leave()

    async def _converse(self) -> int:
        try:
            await self._connect()
        except EndOfInput:
            return 1
        except Untrusted as error:
            self._screen.error(input_checks.explain(self._say, error))
            return 1
        except NotConnected as error:
            pattern, why = self._say(texts.UNREACHABLE), harmless_name(str(error))
            self._screen.error(pattern.format(server=self._server, reason=why))
            return 1
        try:
            await self._first_menu()
            self._screen.show(self._say(texts.LEFT))
        except EndOfInput as end:
            if end.reason:
                self._dialogue.complain(BadLine(end.reason, **end.values))
            elif self._screen.interactive:
                self._screen.show(self._say(texts.LEFT))
        except ChatError as error:
            self._dialogue.complain(error)
        if self._screen.interactive:
            return 0
        if (
            self._arrivals.is_inside
            and not self._dialogue.failed
            and self._client.state is not State.ONLINE
        ):
            # The last message may not have reached the server.
            self._dialogue.complain(NotConnected(self._client.why))
        return 1 if self._dialogue.failed else 0

    async def _connect(self) -> None:
        """Connect; if a person accepts an unknown certificate, connect once more.

        :raises Untrusted: the certificate is not accepted.
        :raises NotConnected: as `ChatClient.connect`.
        :raises EndOfInput: the person left instead of answering.
        """
        try:
            await self._client.connect()
        except Untrusted as error:
            may_ask = self._screen.interactive and error.doubt is Doubt.UNKNOWN
            if self._trust is None or not may_ask or not await self._is_accepted(error):
                raise
            self._accept(self._trust, error)
            # The server has to show the same certificate again.
            await self._client.connect()

    async def _is_accepted(self, error: Untrusted) -> bool:
        self._screen.show(
            self._say(texts.NEW_CERTIFICATE).format(
                server=error.server, reason=error.reason, fingerprint=error.fingerprint
            )
        )
        while True:
            answer = (await self._dialogue.choose(self._say(texts.ASK_TRUST))).lower()
            if answer in ("yes", "no"):
                return answer == "yes"

    def _accept(self, trust: Trust, error: Untrusted) -> None:
        try:
            trust.accept(error.server, error.fingerprint)
        except OSError as problem:
            pattern = self._say(texts.NOT_REMEMBERED)
            self._screen.error(pattern.format(file=trust.file, reason=problem.strerror))
        else:
            self._screen.show(self._say(texts.REMEMBERED).format(file=trust.file), Style.NOTICE)

    async def _leave(self) -> None:
        self._arrivals.leave()
        with contextlib.suppress(ChatError):
            if self._client.login is not None and self._client.state is State.ONLINE:
                await self._client.log_out(LEAVE_TIMEOUT)
        with contextlib.suppress(ChatError):
            await self._client.close(LEAVE_TIMEOUT)

    def _connection_ended(self) -> None:
        if self._screen.interactive:
            client = self._client
            reason = harmless_name(texts.in_language(self._say, client.why, client.why_zh))
            self._screen.error(self._say(texts.OFFLINE).format(reason=reason))
        else:
            self._dialogue.give_up(self._client.why)

    # ---------------------------------------------------------------- menus

    async def _first_menu(self) -> None:
        """Returns when the person chose to leave."""
        while True:
            self._screen.show(self._say(texts.FIRST_MENU))
            match await self._dialogue.choose(self._say(texts.CHOOSE_FIRST)):
                case "1":
                    if await self._dialogue.do(self._choices.log_in) and await self._main_menu():
                        return
                case "2":
                    await self._dialogue.do(self._choices.register)
                case "3":
                    return
                case choice:
                    self._no_choice(texts.WRONG_INPUT, choice)

    async def _main_menu(self) -> bool:
        """Whether the person chose to leave; if not, the login has ended.

        A person sees the menu at the login and on demand: after each action it would push messages
        off the screen. A script's output has it before each choice.
        """
        entries = {
            "1": self._choices.list_online,
            "2": self._choices.send,
            "3": self._choices.list_messages,
            "5": self._choices.send_private,
            "6": self._choices.switch_status,
            "7": self._choices.change_password,
        }
        person = self._screen.interactive
        if person:
            self._show_main_menu()
        while True:
            if not person:
                self._show_main_menu()
            unread = f"{self._unread()} ".lstrip() if person else ""
            choice = await self._dialogue.choose(unread + self._say(texts.CHOOSE))
            if choice == "4":
                return True
            if self._client.state is State.OFFLINE:
                return False
            if choice in entries:
                await self._dialogue.do(entries[choice])
            elif person and choice in ("", "?"):
                self._show_main_menu()
            else:
                self._no_choice(texts.WRONG_CHOICE, choice)
                if person:
                    self._screen.show(self._say(texts.MENU_HINT), Style.NOTICE)

    def _no_choice(self, text: str, choice: str) -> None:
        self._screen.show(self._say(text))
        if choice and not self._screen.interactive:
            # The script is out of step or wrong; an empty line is no error.
            shown = harmless_name(choice)[:MAX_SHOWN]
            self._dialogue.complain(BadLine(texts.NO_CHOICE, line=shown))

    def _show_main_menu(self) -> None:
        lines = [
            self._say(texts.MENU_ONLINE),
            self._say(texts.MENU_SEND),
            self._say(texts.MENU_LIST) + self._unread(),
            self._say(texts.MENU_LEAVE),
            self._say(texts.MENU_PRIVATE),
            self._say(texts.MENU_STATUS),
            self._say(texts.MENU_PASSWORD),
        ]
        if self._screen.interactive:
            lines.append(self._say(texts.MENU_HINT))
        self._screen.show("\n".join(lines))

    def _unread(self) -> str:
        unread = self._arrivals.log.unread
        return self._say(texts.UNREAD_COUNT).format(count=unread) if unread else ""
