"""The registry of this node's sessions: by tag, by user, and the members to broadcast to."""

from __future__ import annotations

from itertools import count
from secrets import token_hex
from typing import Protocol

from msgspec.structs import replace

from chatroom.conversations.feed import Recipient
from chatroom.conversations.inbox_feed import InboxFeed
from chatroom.delivery.broadcast import Broadcast
from chatroom.limits.backpressure import Sender
from chatroom.moderation.enforcement import Moderated
from chatroom.protocol.messages import Message, PresenceMes


class Session(Recipient, Sender, Moderated, Protocol):
    """What the node needs of a session."""

    token: str
    inbox: InboxFeed | None

    @property
    def is_member(self) -> bool: ...

    def send(self, *messages: Message) -> None: ...

    def push(self, message: Message) -> None: ...

    def check_silence(self, now: float) -> None: ...

    def token_replaced(self, token: str) -> None: ...

    def close(self) -> None: ...


class Sessions:
    """All sessions of this process. No I/O."""

    def __init__(self) -> None:
        #: Never the same again, so that what a former run sent is nobody's own any more.
        self._run = token_hex(4)
        self._numbers = count(1)
        self._by_tag: dict[str, Session] = {}
        #: Those whose connection is not gone yet, the ended ones included.
        self._connected: set[Session] = set()
        #: The sessions of each user, from before they are told that they are logged in.
        self.users: dict[int, dict[str, Session]] = {}
        #: Those that were told that they are logged in.
        self.members = Broadcast()

    def __len__(self) -> int:
        """How many have not ended."""
        return len(self._by_tag)

    @property
    def connections(self) -> int:
        """How many connections there are, those included that only take what was sent last."""
        return len(self._connected)

    def all(self) -> list[Session]:
        """All that have not ended, logged in or not."""
        return list(self._by_tag.values())

    def of(self, user_id: int) -> list[Session]:
        """Those of a user."""
        return list(self.users.get(user_id, {}).values())

    def by_token(self, user_id: int, token: str) -> list[Session]:
        """Those of a user that a token has logged in."""
        return [session for session in self.of(user_id) if session.token == token]

    def new_tag(self) -> str:
        """A name for a session that no other session ever had or will have."""
        return f"{self._run}.{next(self._numbers)}"

    # ---- from the connection to its end

    def opened(self, session: Session) -> None:
        """A client has connected."""
        self._by_tag[session.tag] = session
        self._connected.add(session)

    def identified(self, session: Session) -> None:
        """It is known who the client is: what comes to the user's mailbox concerns the session."""
        self.users.setdefault(session.user_id, {})[session.tag] = session

    def logged_in(self, session: Session) -> None:
        """The client was told that it is logged in: broadcasts may follow."""
        self.members.add(session.tag, session.codec, session.outbox)

    def logged_out(self, session: Session) -> bool:
        """The session is its user's no longer. True: it was the user's last one here."""
        self.members.remove(session.tag)
        sessions = self.users.get(session.user_id, {})
        if sessions.pop(session.tag, None) is None or sessions:
            return False
        del self.users[session.user_id]
        return True

    def ended(self, session: Session) -> None:
        """The session ended; its connection may still be there."""
        self._by_tag.pop(session.tag, None)

    def disconnected(self, session: Session) -> None:
        """The connection is gone."""
        self._connected.discard(session)

    def tell_presence(self, message: PresenceMes) -> None:
        """Tell every member who came and went, except for news about themselves only."""
        changed = {person.user_id for person in message.changes}
        own = {tag: one for user_id in changed for tag, one in self.users.get(user_id, {}).items()}
        self.members.tell(lambda codec: codec.encode([message]), exclude=own)
        for session in own.values():
            others = [person for person in message.changes if person.user_id != session.user_id]
            if session.is_member and others:
                session.send(replace(message, changes=others))
