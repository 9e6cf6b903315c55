"""How messages and people are put into lines of text."""

from __future__ import annotations

from datetime import tzinfo

from chatroom.client.base.model import Incoming
from chatroom.protocol.messages import DELETED_NAME, Person
from chatroom.terminal import texts
from chatroom.terminal.screen.glyphs import harmless, harmless_name


class Wording:
    """Lines in the language of ``translate``; times in ``zone``, None being the machine's own."""

    def __init__(self, translate: texts.Translate, zone: tzinfo | None = None) -> None:
        self._zone = zone
        self.say = translate

    def message(self, message: Incoming) -> str:
        """A message as the original shows one, after its sender's name.

        The server guarantees the id; anybody may use any name.
        """
        if message.kind == "system":
            return self.say(texts.ANNOUNCEMENT).format(content=harmless(message.content))
        if message.kind == "room":
            pattern = texts.TO_ALL
        elif message.own:
            pattern = texts.OWN_PRIVATE
        else:
            pattern = texts.TO_YOU
        line = self.say(pattern).format(
            id=message.user_id, peer=message.peer, content=harmless(message.content)
        )
        deleted = message.name == DELETED_NAME
        name = self.say(texts.DELETED_USER) if deleted else harmless_name(message.name)
        return f"[{name}] {line}" if name else line

    def dated(self, message: Incoming, *, unread: bool = False) -> str:
        """A message with its time, and whether it is unread."""
        when = message.sent_at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")
        mark = f" {self.say(texts.UNREAD)}" if unread else ""
        return f"{when}{mark} {self.message(message)}"

    def user(self, person: Person) -> str:
        """A user by id and name, beginning as the original's line does."""
        name = harmless_name(person.user_name)
        line = self.say(texts.USER).format(id=person.user_id)
        return f"{line} {name}" if name else line

    def online(self, person: Person, *, own: bool, busy: bool) -> str:
        """A line of the list of online users."""
        line = self.user(person)
        if busy:
            line += f" {self.say(texts.BUSY)}"
        return f"{line} {self.say(texts.YOU)}" if own else line
