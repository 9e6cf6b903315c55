"""Asks a person, once for each server, whether its certificate is the right one."""

from __future__ import annotations

from chatroom.client.base.errors import Doubt, Untrusted
from chatroom.client.chat_client import ChatClient
from chatroom.client.connection.trust import Trust
from chatroom.terminal import texts
from chatroom.terminal.dialogue import Dialogue
from chatroom.terminal.screen import Screen, Style


async def connect(
    client: ChatClient,
    trust: Trust | None,
    screen: Screen,
    dialogue: Dialogue,
    say: texts.Translate,
) -> None:
    """Connect, once more if a person is there and accepts a certificate that ``trust`` lacks.

    :raises Untrusted: it is not accepted.
    :raises NotConnected: as `ChatClient.connect`.
    :raises EndOfInput: the person left instead of answering.
    """
    try:
        await client.connect()
    except Untrusted as error:
        if trust is None or not screen.interactive or error.doubt is not Doubt.UNKNOWN:
            raise
        pattern = say(texts.NEW_CERTIFICATE)
        screen.show(
            pattern.format(server=error.server, reason=error.reason, fingerprint=error.fingerprint)
        )
        while (answer := (await dialogue.choose(say(texts.ASK_TRUST))).lower()) != "yes":
            if answer == "no":
                raise
        _accept(trust, error, screen, say)
        # The server has to show the same certificate again.
        await client.connect()


def _accept(trust: Trust, error: Untrusted, screen: Screen, say: texts.Translate) -> None:
    try:
        trust.accept(error.server, error.fingerprint)
    except OSError as problem:
        pattern = say(texts.NOT_REMEMBERED)
        screen.error(pattern.format(file=trust.file, reason=problem.strerror))
    else:
        screen.show(say(texts.REMEMBERED).format(file=trust.file), Style.NOTICE)
