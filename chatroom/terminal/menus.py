"""The dialogue: what is asked next, and what each answer does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import DeferredList

from chatroom.client.base.errors import ChatError, NotConnected, Untrusted
from chatroom.client.base.interfaces import Clock
from chatroom.client.base.model import State
from chatroom.client.chat_client import ChatClient
from chatroom.client.connection.trust import Trust
from chatroom.protocol.messages import LOBBY, MAX_USERS, Code, Status
from chatroom.terminal import input_checks as answers
from chatroom.terminal import texts
from chatroom.terminal.arrivals import Arrivals
from chatroom.terminal.certificate_prompt import Acquaintance
from chatroom.terminal.dialogue import Dialogue, Field
from chatroom.terminal.language import in_language
from chatroom.terminal.screen import BadLine, EndOfInput, OutputClosed, Screen, Style
from chatroom.terminal.screen.glyphs import harmless_name
from chatroom.terminal.wording import Wording

#: Seconds that a message waits for the server's word before the person is told that none came.
SEND_TIMEOUT: Final = 15.0
#: Seconds for what is still to be done when leaving.
LEAVE_TIMEOUT: Final = 3.0
#: Messages in the list, and how many of each conversation it is made from.
LIST_LENGTH: Final = 50
#: Private conversations that the list is made from, those last read first.
LIST_PEERS: Final = 20

#: Characters of a script's line that are shown where it is no choice.
MAX_SHOWN: Final = 40


class Menus:
    """One person's conversation with the server, from the first menu to the last.

    :param server: as the person wrote it.
    :param make_client: makes the client, given its callbacks.
    :param trust: which server's certificates that client accepts, where it speaks TLS.
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
        self._acquaintance = Acquaintance(trust, screen, self._dialogue, self._say)
        self._invite = invite
        self._busy = False
        #: Somebody logged in, and has not been told that this is over.
        self._inside = False

    async def run(self) -> int:
        """Hold the conversation; gives the exit status.

        Where no person is there to see what goes wrong, it makes the status 1. A login that
        succeeds makes up for what went wrong before it.
        """
        try:
            return await self._converse()
        except OutputClosed:
            return 0
        finally:
            await self._leave()

    async def _converse(self) -> int:
        try:
            await self._acquaintance.connect(self._client)
        except EndOfInput:
            return 1
        except Untrusted as error:
            self._screen.error(answers.explain(self._say, error))
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
        if self._inside and not self._dialogue.failed and self._client.state is not State.ONLINE:
            # What was done last may not have got there.
            self._dialogue.complain(NotConnected(self._client.why))
        return 1 if self._dialogue.failed else 0

    async def _leave(self) -> None:
        self._arrivals.leave()
        with contextlib.suppress(ChatError):
            if self._client.login is not None and self._client.state is State.ONLINE:
                await self._client.log_out(LEAVE_TIMEOUT)
        with contextlib.suppress(ChatError):
            await self._client.close(LEAVE_TIMEOUT)

    def _connection_ended(self) -> None:
        if not self._inside:
            # A server does not wait for ever for somebody to log in; who does is connected anew.
            return
        self._inside = False
        if self._screen.interactive:
            client = self._client
            reason = harmless_name(in_language(self._say, client.why, client.why_zh))
            self._screen.error(self._say(texts.OFFLINE).format(reason=reason))
        else:
            self._dialogue.give_up(self._client.why)

    # ---------------------------------------------------------------- menus

    async def _first_menu(self) -> None:
        """Ends when the person chose to leave."""
        while True:
            self._screen.show(self._say(texts.FIRST_MENU))
            match await self._dialogue.choose(self._say(texts.CHOOSE_FIRST)):
                case "1":
                    if await self._dialogue.do(self._log_in) and await self._main_menu():
                        return
                case "2":
                    await self._dialogue.do(self._register)
                case "3":
                    return
                case choice:
                    self._no_choice(texts.WRONG_INPUT, choice)

    async def _main_menu(self) -> bool:
        """Whether the person chose to leave; if not, nobody is logged in any more.

        A person sees the menu at the login and on demand: after each action it would push the talk
        off the screen. A script's output has it before each choice.
        """
        entries = {
            "1": self._list_online,
            "2": self._send,
            "3": self._list_messages,
            "5": self._send_private,
            "6": self._switch_status,
            "7": self._change_password,
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
            # The script is out of step, or ought to be mended; an empty line asks for nothing.
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

    # ---------------------------------------------------------------- what the choices do

    async def _log_in(self) -> None:
        user_id, password = await self._dialogue.form(
            Field(texts.ASK_LOGIN_ID, answers.user_id),
            Field(texts.ASK_LOGIN_PASSWORD, answers.password, secret=True),
        )
        self._arrivals.expect_login()
        login = await self._client.log_in(answers.user_id(user_id), password)
        self._dialogue.failed = False
        self._inside = True
        self._busy = False
        name = harmless_name(login.name)
        self._screen.show(self._say(texts.WELCOME).format(name=name), Style.GOOD)
        self._screen.show(self._say(texts.ONLINE_COUNT).format(count=login.online))
        if login.unread:
            self._screen.show(self._say(texts.WAITED).format(count=login.unread))
        await self._arrivals.logged_in(login)

    async def _register(self) -> None:
        user_id, password, name = await self._dialogue.form(
            Field(texts.ASK_NEW_ID, answers.user_id),
            Field(texts.ASK_NEW_PASSWORD, answers.password, secret=True),
            Field(texts.ASK_NEW_NAME, answers.name),
        )
        await self._client.register(
            answers.user_id(user_id), password, name.strip(), invite=self._invite
        )
        self._screen.show(self._say(texts.REGISTERED), Style.GOOD)

    async def _list_online(self) -> None:
        page = await self._client.users_page(limit=MAX_USERS)
        own_id = self._client.login.user_id if self._client.login else 0
        lines = []
        for person in page.users:
            own = person.user_id == own_id
            # One's own status may be on its way yet to where the server looks.
            busy = self._busy if own else person.user_status == Status.BUSY
            lines.append(self._wording.online(person, own=own, busy=busy))
        more = page.online - len(page.users)
        if more > 0:
            lines.append(self._say(texts.MORE_ONLINE).format(count=more))
        self._screen.show("\n".join([self._say(texts.ONLINE), *lines]))

    async def _send(self) -> None:
        (content,) = await self._dialogue.form(Field(texts.ASK_TEXT, answers.content, lines=True))
        if not content:
            self._screen.show(self._say(texts.NOTHING_SENT), Style.NOTICE)
            return
        await self._client.send(content, timeout=SEND_TIMEOUT)
        self._screen.show(self._say(texts.SENT), Style.GOOD)

    async def _send_private(self) -> None:
        peer, content = await self._dialogue.form(
            Field(texts.ASK_PEER, answers.user_id),
            Field(texts.ASK_PRIVATE_TEXT, answers.content, lines=True),
        )
        if not content:
            self._screen.show(self._say(texts.NOTHING_SENT), Style.NOTICE)
            return
        to = answers.user_id(peer)
        sent = await self._client.send_private(to, content, timeout=SEND_TIMEOUT)
        self._arrivals.log.said(to, sent.seq)
        # Who answers has seen what there was to answer.
        self._arrivals.mark_read(to, sent.seq)
        text = texts.KEPT if sent.code == Code.STORED_OFFLINE else texts.DELIVERED
        self._screen.show(self._say(text), Style.GOOD)

    async def _list_messages(self) -> None:
        log = self._arrivals.log
        requests = [
            self._client.history(room=LOBBY, limit=LIST_LENGTH),
            *(
                self._client.history(peer=peer, limit=LIST_LENGTH)
                for peer in log.peers[:LIST_PEERS]
            ),
        ]
        results: list[tuple[bool, Any]] = await DeferredList(requests, consumeErrors=True)
        failures = [result for succeeded, result in results if not succeeded]
        log.add_old(
            message for succeeded, page in results if succeeded for message in page.messages
        )
        lines = [
            self._wording.dated(entry.message, unread=entry.unread)
            for entry in log.latest(LIST_LENGTH)
        ]
        if not lines:
            lines = [self._say(texts.NO_MESSAGES)]
        self._screen.show("\n".join([self._say(texts.LIST), *lines]))
        for peer, seq in log.mark_all_read().items():
            self._client.mark_read(peer, seq)
        if failures:
            # What is at hand was shown all the same.
            failures[0].raiseException()

    async def _switch_status(self) -> None:
        await self._client.set_status(not self._busy)
        self._busy = not self._busy
        self._screen.show(self._say(texts.NOW_BUSY if self._busy else texts.NOW_ONLINE))

    async def _change_password(self) -> None:
        old, new, again = await self._dialogue.form(
            Field(texts.ASK_OLD_PASSWORD, answers.password, secret=True),
            Field(texts.ASK_NEXT_PASSWORD, answers.password, secret=True),
            Field(texts.ASK_PASSWORD_AGAIN, answers.password, secret=True),
        )
        if new != again:
            raise BadLine(texts.PASSWORDS_DIFFER)
        await self._client.change_password(old, new)
        self._screen.show(self._say(texts.PASSWORD_CHANGED), Style.GOOD)
