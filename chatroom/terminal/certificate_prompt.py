"""Asks a person, once for each server, whether its certificate is the right one."""

from __future__ import annotations

from chatroom.client.base.errors import Doubt, Untrusted
from chatroom.client.chat_client import ChatClient
from chatroom.client.connection.trust import Trust
from chatroom.terminal import texts
from chatroom.terminal.dialogue import Dialogue
from chatroom.terminal.screen import Screen, Style


class CertificatePrompt:
    """Asks about certificates that ``trust`` does not know, if a person is there to answer."""

    def __init__(
        self, trust: Trust | None, screen: Screen, dialogue: Dialogue, say: texts.Translate
    ) -> None:
        self._trust = trust
        self._screen = screen
        self._dialogue = dialogue
        self._say = say

    async def connect(self, client: ChatClient) -> None:
        """Connect, once more if the person accepts the server's certificate.

        :raises Untrusted: it is not accepted.
        :raises NotConnected: as `ChatClient.connect`.
        :raises EndOfInput: the person left instead of answering.
        """
        try:
            await client.connect()
        except Untrusted as error:
            may_ask = self._screen.interactive and error.doubt is Doubt.UNKNOWN
            if self._trust is None or not may_ask or not await self._is_accepted(error):
                raise
            self._accept(self._trust, error)
            # The server has to show the same certificate again.
            await client.connect()

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
