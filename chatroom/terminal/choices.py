"""What each choice of the menus does."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import DeferredList

from chatroom.protocol.messages import LOBBY, MAX_USERS, Code, Status
from chatroom.terminal import input_checks, texts
from chatroom.terminal.dialogue import Dialogue, Field
from chatroom.terminal.incoming.arrivals import Arrivals
from chatroom.terminal.screen import BadLine, Screen, Style
from chatroom.terminal.screen.glyphs import harmless_name
from chatroom.terminal.wording import Wording

#: Seconds to wait for a message's acknowledgement before saying that none came.
SEND_TIMEOUT: Final = 15.0
#: Messages in the list, and how many of each conversation it is made from.
LIST_LENGTH: Final = 50
#: Private conversations that the list is made from, those last read first.
LIST_PEERS: Final = 20


class Choices:
    """Asks for a choice's input, calls the client, and shows the result.

    :param invite: the invitation to register with, if there is one.
    """

    def __init__(
        self,
        screen: Screen,
        wording: Wording,
        dialogue: Dialogue,
        arrivals: Arrivals,
        invite: str | None,
    ) -> None:
        self._screen = screen
        self._wording = wording
        self._say = wording.say
        self._dialogue = dialogue
        self._arrivals = arrivals
        self._client = arrivals.client
        self._invite = invite
        self._busy = False

    async def log_in(self) -> None:
        """Ask for id and password, log in, and show messages from while the person was away."""
        user_id, password = await self._dialogue.form(
            Field(texts.ASK_LOGIN_ID, input_checks.user_id),
            Field(texts.ASK_LOGIN_PASSWORD, input_checks.password, secret=True),
        )
        self._arrivals.expect_login()
        login = await self._client.log_in(input_checks.user_id(user_id), password)
        self._dialogue.failed = False
        self._busy = False
        name = harmless_name(login.name)
        self._screen.show(self._say(texts.WELCOME).format(name=name), Style.GOOD)
        self._screen.show(self._say(texts.ONLINE_COUNT).format(count=login.online))
        if login.unread:
            self._screen.show(self._say(texts.WAITED).format(count=login.unread))
        await self._arrivals.logged_in(login)

    async def register(self) -> None:
        """Ask for a new account's id, password and name, and make it."""
        user_id, password, name = await self._dialogue.form(
            Field(texts.ASK_NEW_ID, input_checks.user_id),
            Field(texts.ASK_NEW_PASSWORD, input_checks.password, secret=True),
            Field(texts.ASK_NEW_NAME, input_checks.name),
        )
        await self._client.register(
            input_checks.user_id(user_id), password, name.strip(), invite=self._invite
        )
        self._screen.show(self._say(texts.REGISTERED), Style.GOOD)

    async def list_online(self) -> None:
        """Show who is online."""
        page = await self._client.users_page(limit=MAX_USERS)
        own_id = self._client.login.user_id if self._client.login else 0
        lines = []
        for person in page.users:
            own = person.user_id == own_id
            # The server's list may not have this person's latest status yet.
            busy = self._busy if own else person.user_status == Status.BUSY
            lines.append(self._wording.online(person, own=own, busy=busy))
        more = page.online - len(page.users)
        if more > 0:
            lines.append(self._say(texts.MORE_ONLINE).format(count=more))
        self._screen.show("\n".join([self._say(texts.ONLINE), *lines]))

    async def send(self) -> None:
        """Ask for a message to the room, and send it."""
        (content,) = await self._dialogue.form(
            Field(texts.ASK_TEXT, input_checks.content, lines=True)
        )
        if not content:
            self._screen.show(self._say(texts.NOTHING_SENT), Style.NOTICE)
            return
        await self._client.send(content, timeout=SEND_TIMEOUT)
        self._screen.show(self._say(texts.SENT), Style.GOOD)

    async def send_private(self) -> None:
        """Ask for a user and a message, and send it to that user."""
        peer, content = await self._dialogue.form(
            Field(texts.ASK_PEER, input_checks.user_id),
            Field(texts.ASK_PRIVATE_TEXT, input_checks.content, lines=True),
        )
        if not content:
            self._screen.show(self._say(texts.NOTHING_SENT), Style.NOTICE)
            return
        to = input_checks.user_id(peer)
        sent = await self._client.send_private(to, content, timeout=SEND_TIMEOUT)
        self._arrivals.log.said(to, sent.seq)
        # Sending an answer means having read what came before.
        self._arrivals.mark_read(to, sent.seq)
        text = texts.KEPT if sent.code == Code.STORED_OFFLINE else texts.DELIVERED
        self._screen.show(self._say(text), Style.GOOD)

    async def list_messages(self) -> None:
        """Show the latest messages and all unread ones, and mark them as read."""
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
            # The messages that could be fetched have been shown all the same.
            failures[0].raiseException()

    async def switch_status(self) -> None:
        """From online to busy, or back."""
        await self._client.set_status(not self._busy)
        self._busy = not self._busy
        self._screen.show(self._say(texts.NOW_BUSY if self._busy else texts.NOW_ONLINE))

    async def change_password(self) -> None:
        """Ask for the old password and twice for the new one, and change it."""
        old, new, again = await self._dialogue.form(
            Field(texts.ASK_OLD_PASSWORD, input_checks.password, secret=True),
            Field(texts.ASK_NEXT_PASSWORD, input_checks.password, secret=True),
            Field(texts.ASK_PASSWORD_AGAIN, input_checks.password, secret=True),
        )
        if new != again:
            raise BadLine(texts.PASSWORDS_DIFFER)
        await self._client.change_password(old, new)
        self._screen.show(self._say(texts.PASSWORD_CHANGED), Style.GOOD)
