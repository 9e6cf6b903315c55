"""This process's part of the service: its sessions, what they share, and what the bus brings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from secrets import token_hex
from typing import TYPE_CHECKING, Any, cast

import msgspec
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatroom.accounts.accounts import Accounts
from chatroom.common.clock import Clock, pause
from chatroom.common.counters import Count
from chatroom.conversations.room import Room
from chatroom.delivery.broadcast import Audience
from chatroom.limits.backpressure import Intake
from chatroom.limits.connections import Doorkeeper
from chatroom.limits.rate import Limits
from chatroom.moderation.enforcement import Moderation, objection
from chatroom.presence.presence import Announcer, LocalPresence, Roster
from chatroom.protocol import messages as wire
from chatroom.protocol import refusals
from chatroom.protocol.messages import LOBBY, Message, Person, PresenceMes, Seq
from chatroom.protocol.refusals import Refused
from chatroom.store.events import (
    AccountStatusEvent,
    AddressesEvent,
    AnnounceEvent,
    DuplicateEvent,
    EndEvent,
    Ending,
    MailboxEvent,
    ModerationEvent,
    PresenceEvent,
    PrivateEvent,
    ReadEvent,
)
from chatroom.store.interface import Store
from chatroom.store.records import Account, Entry, MailboxState, StoreUnavailable

if TYPE_CHECKING:
    from chatroom.sessions.session import Session

#: Seconds between two looks at who has fallen silent, and what else comes up now and then.
SWEEP = 5
#: Seconds that what is in hand when the node stops may take.
FLUSH_TIMEOUT = 1.0
#: Seconds that a client has to log in.
LOGIN_TIMEOUT = 30
#: The name of this node in its own roster; a node's name in the store is never empty.
HERE = ""
#: What a session is told that ends from outside.
_ENDINGS = {
    Ending.PASSWORD_CHANGED: refusals.PASSWORD_CHANGED,
    Ending.KICKED: refusals.KICKED,
}

_log = Logger()


class Places(msgspec.Struct):
    """Where a session that logs in begins in each conversation.

    A gap is the first place that is handed over where something before it is no longer held.
    """

    mailbox: MailboxState
    rooms: dict[str, Seq]
    room_gaps: dict[str, Seq]
    inbox_gap: Seq | None = None


class Node:
    """What all sessions of this process share.

    :param name: the node's name in the store.
    :param login_timeout: seconds that a client has to log in; 0: as many as it likes.
    :param limits: how fast clients may send; as fast as they like if left out.
    :param doorkeeper: how many may be connected; as many as like if left out.
    """

    def __init__(
        self,
        clock: Clock,
        store: Store,
        accounts: Accounts,
        *,
        name: str,
        login_timeout: float = LOGIN_TIMEOUT,
        limits: Limits | None = None,
        doorkeeper: Doorkeeper | None = None,
    ) -> None:
        self.clock = clock
        self.store = store
        self.accounts = accounts
        self.name = name
        self.login_timeout = login_timeout
        self.limits = Limits() if limits is None else limits
        self.doorkeeper = Doorkeeper(clock) if doorkeeper is None else doorkeeper
        #: What was refused since the start, logins included.
        self.counters = accounts.counters
        self._told_counters: Counter[str] = Counter()
        self.roster = Roster()
        self.rooms: dict[str, Room] = {}
        #: Never the same again, so that what a former run sent is nobody's own any more.
        self._run = token_hex(4)
        self._numbers = count(1)
        self._sessions: dict[str, Session] = {}
        #: Those whose connection is not gone yet, the ended ones included.
        self._connected: set[Session] = set()
        #: The sessions of each user, from before they are told that they are logged in.
        self._users: dict[int, dict[str, Session]] = {}
        #: The members' ways out.
        self._audience = Audience()
        self.intake = Intake(clock, self._online)
        self._moderation = Moderation(clock, store, self.sessions, self._sessions_of)
        self._presence = LocalPresence(clock, store)
        self._lapses = 0
        self._announcer = Announcer(clock, self.roster, self._tell_members)
        self._sweep = LoopingCall(self._look_around)
        self._sweep.clock = clock  # type: ignore[assignment]  # typed as the global reactor

    async def start(self) -> None:
        """Follow the bus. Sessions may come from then on.

        :raises StoreUnavailable: then it may be called again.
        """
        if not self.rooms:
            for name, position in (await self.store.start(self, [LOBBY])).items():
                self.rooms[name] = Room(name, position)
        await self._moderation.start()
        self._sweep.start(SWEEP, now=False).addErrback(
            lambda failure: _log.failure("Nobody looks around on this node any more", failure)
        )

    async def stop(self) -> None:
        """Let what is in hand be answered, tell the sessions, and leave the store."""
        for session in self.sessions():
            session.hold()
        try:
            flushing = Deferred.fromCoroutine(self.store.flush())
            await flushing.addTimeout(FLUSH_TIMEOUT, cast("Any", self.clock))
        except defer.TimeoutError:
            _log.warn("The store did not answer: what is not acknowledged will be sent again")
        if self._sweep.running:
            self._sweep.stop()
        self._moderation.stop()
        # What was stored comes back with the stream in a moment, and with it the answers.
        await pause(self.clock, 0.1)
        for session in self.sessions():
            session.dismiss(refusals.SHUTTING_DOWN)

    # ---- sessions

    @property
    def connections(self) -> int:
        """How many connections there are, those included that only take what was sent last."""
        return len(self._connected)

    def _online(self) -> int:
        return len(self._sessions)

    def sessions(self) -> list[Session]:
        """All there are now, logged in or not."""
        return list(self._sessions.values())

    def admit(self, address: str) -> bool:
        """Whether one more connection may come in; `Doorkeeper.leave` is to be called at its end.

        :param address: `chatroom.limits.connections.LOCAL` for a Unix socket's.
        """
        if self.doorkeeper.admit(address):
            return True
        self.counters[Count.CONNECTIONS_REFUSED] += 1
        return False

    def check_address(self, address: str) -> None:
        """:raises Refused: nobody may come from there; it says until when, and why."""
        refusal = self._moderation.refusal(address)
        if refusal is not None:
            raise Refused(refusal)

    def _sessions_of(self, user_id: int) -> list[Session]:
        return list(self._users.get(user_id, {}).values())

    def sessions_by_token(self, user_id: int, token: str) -> list[Session]:
        """Those of a user that a token has logged in."""
        return [session for session in self._sessions_of(user_id) if session.token == token]

    def new_tag(self) -> str:
        """A name for a session that no other session ever had or will have."""
        return f"{self._run}.{next(self._numbers)}"

    def opened(self, session: Session) -> None:
        """A session begins."""
        self._sessions[session.tag] = session
        self._connected.add(session)
        refusal = self._moderation.refusal(session.address)
        if refusal is not None:
            # In the next turn, before anything is read from it: the session is still being made.
            self.clock.callLater(0, session.dismiss, refusal, come_back=False)

    def lost(self, session: Session) -> None:
        """A session's connection is gone."""
        self._connected.discard(session)

    def left(self, session: Session) -> None:
        """A session ended; its connection may still be there."""
        self._sessions.pop(session.tag, None)
        self.intake.caught_up(session)
        self.went(session)

    async def enter(self, session: Session, resume: wire.Resume | msgspec.UnsetType) -> Places:
        """Be online, and learn where things stand.

        From its first line on the session gets what comes to its user's mailbox.

        :raises StoreUnavailable: then `went` is to be called.
        """
        account = session.account
        assert account is not None, "set when the login was checked"
        self._users.setdefault(account.user_id, {})[session.tag] = session
        # The account was read before the password was checked: the roster may know better by now.
        await self._presence.arrive(
            msgspec.structs.replace(account.person(), user_status=self.status_of(account))
        )
        person = self._presence.person(account.user_id)
        if session.closed or person is None:
            # It went while the store was told; so the store has to be told of that, too.
            raise StoreUnavailable("the session is gone")
        self._roster_changed([person], [])
        mailbox = await self.store.mailbox_state(account.user_id)
        places = Places(mailbox=mailbox, rooms={}, room_gaps={})
        if resume:
            for name, text in resume.rooms.items():
                if name in self.rooms:
                    await self._resume_room(places, name, Seq.parse(text))
            if resume.inbox:
                await self._resume_inbox(places, account.user_id, Seq.parse(resume.inbox))
        for name, room in self.rooms.items():
            places.rooms.setdefault(name, room.position)
        return places

    async def check_standing(self, session: Session, login: wire.LoginMes) -> None:
        """Whether the account is still what it was when the login was checked.

        The store knows by now that the user is here: from here on, changes are told by the bus.

        :raises Refused: it was banned or deleted, or its password was changed.
        :raises StoreUnavailable:
        """
        account = await self.store.account(session.user_id)
        refusal = objection(session, account)
        if refusal is refusals.PASSWORD_CHANGED:
            refusal = refusals.WRONG_TOKEN if login.token else refusals.WRONG_PASSWORD
        if refusal is not None:
            raise Refused(refusal)
        if account is not None:
            session.mute.follow(account.muted)

    async def _resume_room(self, places: Places, name: str, cursor: Seq) -> None:
        state = await self.store.room_state(name)
        newest = max(state.newest, self.rooms[name].position)
        kept, lost = self.rooms[name].lost
        if kept < cursor <= lost and not await self._is_held(name, cursor):
            # The store has lost this message, and may have given out places before it since.
            newest = kept
        if cursor > newest:
            # The client knows of messages that the store does not: it failed over to a replica that
            # did not have them yet, or an old backup was put back.
            places.room_gaps[name] = Seq(newest.ms, newest.n + 1)
            cursor = newest
        elif cursor < state.trimmed:
            first = await self.store.room_after(name, state.trimmed, 1)
            places.room_gaps[name] = first[0].seq if first else state.trimmed
            cursor = state.trimmed
        places.rooms[name] = cursor

    async def _is_held(self, name: str, place: Seq) -> bool:
        before = Seq(place.ms, place.n - 1) if place.n else Seq(place.ms - 1, 2**64 - 1)
        return [entry.seq for entry in await self.store.room_after(name, before, 1)] == [place]

    async def _resume_inbox(self, places: Places, user_id: int, cursor: Seq) -> None:
        mailbox = places.mailbox
        if cursor > mailbox.newest:
            places.inbox_gap = Seq(mailbox.newest.ms, mailbox.newest.n + 1)
        elif cursor < mailbox.trimmed:
            first = await self.store.mailbox_after(user_id, mailbox.trimmed, 1)
            places.inbox_gap = first[0].seq if first else mailbox.trimmed

    def entered(self, session: Session) -> None:
        """The session was told that it is logged in: pushes may follow."""
        self._audience.add(session.tag, session.codec, session.outbox)

    def went(self, session: Session) -> None:
        """The session's user is no longer online by this session."""
        self._audience.remove(session.tag)
        sessions = self._users.get(session.user_id, {})
        if sessions.pop(session.tag, None) is not None and not sessions:
            del self._users[session.user_id]
            self.limits.left(session.user_id)
            self._presence.depart(session.user_id)
            self._roster_changed([], [session.user_id])

    def status_of(self, account: Account) -> int:
        """The user's status as everybody sees it now."""
        person = self.roster.person(account.user_id)
        return account.status if person is None else person.user_status

    def _look_around(self) -> None:
        """Look who is silent, forget whom nobody needs to remember, and keep what was counted."""
        now = self.clock.seconds()
        for session in self.sessions():
            session.check_silence(now)
        self.limits.sweep(now)
        if self.counters != self._told_counters:
            told = self.counters.copy()
            self.store.keep_counters(told).addCallbacks(
                lambda _: self._counters_kept(told), _counters_not_kept
            )

    def _counters_kept(self, told: Counter[str]) -> None:
        self._told_counters = told

    # ---- what the bus brings

    def room_entries(self, room: str, entries: Sequence[Entry]) -> None:
        self.rooms[room].fan_out(entries)

    def mailbox_events(self, events: Sequence[MailboxEvent]) -> None:
        for event in events:
            if isinstance(event, AccountStatusEvent):
                self._moderation.standing_changed(event.owner)
                continue
            for session in self._sessions_of(event.owner):
                self._mailbox_event(session, event)

    def moderation_event(self, event: ModerationEvent) -> None:
        if isinstance(event, AddressesEvent):
            self._moderation.addresses_changed()
        elif isinstance(event, AnnounceEvent):
            self._announce(event)
        else:
            _log.info("Operator: user {id} was deleted", id=event.user_id)
            self._forget_recent()

    def _announce(self, event: AnnounceEvent) -> None:
        words = wire.SmsMes(
            content=event.text,
            user_id=wire.SERVER_ID,
            user_name=wire.SERVER_NAME,
            room=LOBBY,
            sent_at=event.at,
        )
        _log.info("Operator: an announcement to {count} sessions", count=self._online())
        self._audience.tell(lambda codec: codec.encode([words]))

    def _forget_recent(self) -> None:
        for room in self.rooms.values():
            room.forget_recent()

    def _end(self, session: Session, event: EndEvent) -> None:
        if event.origin != session.tag:
            refusal = refusals.with_words(_ENDINGS[event.ending], event.text)
            session.dismiss(refusal, come_back=False)
            _log.info(
                "A session of user {id} is ended ({why}): {text!r}",
                id=event.owner,
                why=event.ending.value,
                text=event.text,
            )

    def _mailbox_event(self, session: Session, event: MailboxEvent) -> None:
        inbox = session.inbox
        if isinstance(event, EndEvent):
            self._end(session, event)
        if inbox is None or isinstance(event, EndEvent | AccountStatusEvent):
            return
        if isinstance(event, PrivateEvent):
            inbox.deliver(event.entry)
        elif isinstance(event, DuplicateEvent):
            if event.origin == session.tag:
                inbox.acknowledge(event.seq, event.id, event.code, event.sent_at)
        elif event.origin != session.tag:
            mark: Message = (
                wire.ReadMes(peer=event.peer, seq=str(event.seq))
                if isinstance(event, ReadEvent)
                else wire.ReceivedMes(inbox=str(event.seq))
            )
            session.push(mark)

    def presence_event(self, event: PresenceEvent) -> None:
        if event.node == self.name:
            # Who is here, this node knows best; what it learns is a status set elsewhere.
            known = [person for person in event.present if person.user_id in self._users]
            for person in known:
                self._presence.update(person)
            self._roster_changed(known, [])
        else:
            self._announcer.changed(self.roster.apply(event))

    def store_lost(self, rooms: Mapping[str, Seq]) -> None:
        """Some of what the sessions have got is gone: they come back, and are told so."""
        for name, place in rooms.items():
            self.rooms[name].rewind(place)
        for session in self.sessions():
            session.fell_behind()

    def lease_lost(self) -> None:
        """The store had taken this node for dead: say who is here, and look what was missed."""
        _log.info("The store had lost sight of this node: telling it again who is online")
        self._lapses += 1
        self._forget_recent()
        for session in self.sessions():
            if session.inbox is not None:
                session.inbox.lose_sight()
        # Not before the store knows again who is here: until then it wakes nobody.
        self._presence.reset().addCallback(self._look_again, self._lapses).addErrback(
            lambda failure: _log.failure("Looking for what was missed failed", failure)
        )

    def _look_again(self, _: None, lapse: int) -> None:
        if lapse != self._lapses:
            # It has lapsed again since.
            return
        self._moderation.addresses_changed()
        self._moderation.standing_changed(*self._users)
        for session in self.sessions():
            if session.inbox is not None:
                session.inbox.look_again()

    # ---- presence

    def _roster_changed(self, present: list[Person], gone: list[int]) -> None:
        self._announcer.changed(
            self.roster.apply(PresenceEvent(node=HERE, present=present, gone=gone))
        )

    def _tell_members(self, message: PresenceMes) -> None:
        """Everybody is told, but nobody of only themselves."""
        changed = {person.user_id for person in message.changes}
        own = {
            tag: session
            for user_id in changed
            for tag, session in self._users.get(user_id, {}).items()
        }
        self._audience.tell(lambda codec: codec.encode([message]), but=own)
        for session in own.values():
            others = [person for person in message.changes if person.user_id != session.user_id]
            if session.is_member and others:
                session.send(msgspec.structs.replace(message, changes=others))


def _counters_not_kept(failure: Failure) -> None:
    # They are said again at the next look.
    if failure.check(StoreUnavailable) is None:
        _log.failure("The store could not be told what was counted", failure)
