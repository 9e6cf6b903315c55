"""One round: a server, people who talk, an attacker, and what must hold after each input."""

from __future__ import annotations

import gc
from collections import Counter
from random import Random

from msgspec.structs import replace
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from chatroom.protocol import codec, messages as wire
from chatroom.protocol.codec import WireError
from chatroom.protocol.dialects import DIALECT_1, DIALECT_2
from chatroom.protocol.messages import LOBBY, Message, Seq
from chatroom.transports.tcp import ChatFactory
from tests.doubles.memory_backend import Conversation
from tests.fuzz.connection import Connection
from tests.fuzz.inputs import Inputs
from tests.world import World, hashed

#: Who minds their own business: id and dialect.
BYSTANDERS = {1: 2, 2: 1, 3: 2}
#: Their password, which the attacker does not know.
OWN = "nobody else knows"
ATTACKERS = range(10, 18)
#: Addresses from which the attacker comes often, besides all the others.
HOMES = [f"198.51.100.{number}" for number in range(1, 5)]
#: Seconds that pass between two inputs.
PAUSE = 0.2
#: Inputs between two messages of the bystanders.
TALK = 60
#: Inputs of the attacker on one connection, on average.
STAY = 12
#: Unread messages of one mailbox: few, so that it is full at times.
UNREAD = 300
#: Modules of what the store in memory and the bystanders keep.
_KEPT = ("chatroom.store.events", "chatroom.store.records", "chatroom.protocol.messages")
#: What the original client knows.
DIALECT_1_TYPES = (wire.LoginResMes, wire.RegisterResMes, wire.SmsMes, wire.NotifyUserStatusMes)


class Find(Exception):
    """Something does not hold."""


def expect(holds: bool, why: str) -> None:
    """:raises Find: it does not hold."""
    if not holds:
        raise Find(why)


def check_codec(payload: bytes) -> None:
    """Whatever it is, it is a message or refused as none, and a message survives both dialects.

    :raises Find: it is not so.
    """
    try:
        message = codec.decode(payload)
    except WireError:
        return
    expect(codec.decode(codec.encode(message)) == message, "encoded and decoded it is another one")
    for piece in (*DIALECT_1.encode([message]), *DIALECT_2.encode([message])):
        length = int.from_bytes(piece[: wire.PREFIX_BYTES])
        expect(length == len(piece) - wire.PREFIX_BYTES, "a frame's length is wrong")
    for piece in DIALECT_1.encode([message]):
        expect(
            len(piece) <= wire.MAX_FRAME_DIALECT_1 + wire.PREFIX_BYTES,
            "a frame is too long for the original client",
        )


class Log:
    """Looks at all that is logged: no failure, and nothing that forges a line."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        text = formatEvent(event)
        if event.get("log_failure") is not None or event.get("isError"):
            failure = event.get("log_failure") or event.get("failure")
            trace = "" if failure is None else failure.getTraceback()
            self.wrong.append(f"logged as unhandled: {text}\n{trace}")
        elif event.get("log_level") is LogLevel.critical:
            self.wrong.append(f"logged as critical: {text}")
        elif not text.isprintable():
            self.wrong.append(f"logged with what is no plain text: {text!r}")

    def __enter__(self) -> Log:
        # zope's interface, which mypy does not see met by what can be called.
        globalLogPublisher.addObserver(self)  # type: ignore[arg-type]
        return self

    def __exit__(self, *_: object) -> None:
        globalLogPublisher.removeObserver(self)  # type: ignore[arg-type]


class Bystander:
    """Somebody who talks now and then, and checks all that comes."""

    def __init__(self, world: World, factory: ChatFactory, user_id: int, dialect: int) -> None:
        self.user_id = user_id
        self.dialect = dialect
        self.connection = Connection(factory, f"203.0.113.{user_id}")
        # Whoever knows a password may change it, and end all other sessions by that.
        account = replace(world.account(user_id), password=hashed(OWN))
        world.backend.accounts[user_id] = account
        self.connection.says(world.login(user_id, dialect=dialect, user_pwd=OWN))
        #: Places of the room's messages as they came, and of private ones; what was said by whom.
        self.room: list[Seq] = []
        self.private: list[Seq] = []
        self.heard: Counter[tuple[int, str]] = Counter()
        self.answers: dict[str, int] = {}

    def look(self, world: World) -> None:
        """:raises Find: something came that should not, or the connection is gone."""
        connection = self.connection
        try:
            messages = connection.takes()
        except WireError as error:
            raise Find(f"bystander {self.user_id} got what is no message: {error}") from None
        expect(connection.is_whole, f"bystander {self.user_id} got half a message")
        for message in messages:
            if self.dialect == 1:
                expect(isinstance(message, DIALECT_1_TYPES), f"dialect 1 got {message}")
            self._look_at(message, world)
        expect(not connection.lost, f"the connection of bystander {self.user_id} is gone")

    def _look_at(self, message: Message, world: World) -> None:
        match message:
            case wire.PingMes():
                self.connection.says(wire.PongMes())
            case wire.SmsMes() | wire.PrivateMes():
                self._hear(message, world)
            case wire.AckMes():
                self.answers[message.id] = message.code
                if message.seq and message.code == 200:
                    self.room.append(Seq.parse(message.seq))
            case wire.ErrorMes():
                raise Find(f"bystander {self.user_id} got {message}")
            case _:
                pass

    def _hear(self, message: wire.Text, world: World) -> None:
        sender = world.backend.accounts.get(message.user_id)
        expect(sender is not None, f"bystander {self.user_id} heard nobody's {message}")
        assert sender is not None
        expect(message.user_name == sender.name, f"another one's name: {message}")
        expect(
            (message.user_pwd, message.sex) == ("", sender.sex), f"not from the account: {message}"
        )
        self.heard[message.user_id, message.content] += 1
        if message.seq:
            places = self.private if isinstance(message, wire.PrivateMes) else self.room
            places.append(Seq.parse(message.seq))

    def talk(self, number: int) -> None:
        self.connection.says(wire.SmsMes(content=f"number {number}", id=f"number {number}"))
        if self.private:
            self.connection.says(wire.ReceivedMes(inbox=str(self.private[-1])))


class Stage:
    """Plays one round.

    :param random: all chance comes from it, so that a round can be played again.
    """

    def __init__(self, random: Random, log: Log) -> None:
        self.random = random
        self.world = World(mailbox_unread=UNREAD)
        self.inputs = Inputs(random, [*BYSTANDERS, *ATTACKERS, 9_999])
        self.factory = ChatFactory(self.world.node(), send_queue=256 * 1024)
        self.attackers: list[Connection] = []
        self.current: Connection | None = None
        self.refused = 0
        self._log = log
        self._count = 0
        self._talked: list[tuple[Bystander, str]] = []
        for user_id in ATTACKERS:
            self.world.account(user_id)
        self._accounts = dict(self.world.backend.accounts)
        self.bystanders = [
            Bystander(self.world, self.factory, user_id, dialect)
            for user_id, dialect in BYSTANDERS.items()
        ]
        self._rest(5)
        # What each of them takes lastingly is there from now on.
        self._talk()
        self._rest(5)
        self._before = self._census()

    # ---- one input

    def step(self) -> None:
        """Send one input, and look at everybody.

        :raises Find: something does not hold.
        """
        self._count += 1
        connection = self.current = self._connection()
        data = self._input(connection)
        check_codec(data[wire.PREFIX_BYTES :])
        connection.sends(data)
        if self.random.random() < 0.01:
            connection.stop_reading()
        self._settle()
        if self._count % TALK == 0:
            self._talk()
        if self.random.random() < 1 / STAY:
            connection.cut()
            self.attackers.remove(connection)
        self._settle(PAUSE)
        self._look()

    def _input(self, connection: Connection) -> bytes:
        """A frame, something else, several of them, or the halves of one with others between."""
        random = self.random
        if random.random() < 0.12:
            return self.inputs.raw()
        frame = self.inputs.frame()
        chance = random.random()
        if chance < 0.05:
            # At times more than one may have unanswered.
            more = random.randrange(1, 150 if chance < 0.002 else 5)
            return frame + b"".join([self.inputs.frame() for _ in range(more)])
        if chance < 0.10:
            cut = random.randrange(len(frame) + 1)
            connection.sends(frame[:cut])
            self._settle(PAUSE)
            return frame[cut:]
        return frame

    def _connection(self) -> Connection:
        """One of a few that are open, or a new one, which mostly begins with a login."""
        random = self.random
        self.attackers = [connection for connection in self.attackers if not connection.lost]
        if self.attackers and random.random() > (4 - len(self.attackers)) / 8:
            return random.choice(self.attackers)
        host = f"198.18.{random.randrange(256)}.{random.randrange(256)}"
        connection = Connection(self.factory, random.choice([host, *HOMES]))
        if connection.lost:
            self.refused += 1
        self.attackers.append(connection)
        if random.random() < 0.75:
            user_id, dialect = random.choice(ATTACKERS), random.choice((1, 2, 2))
            # It may have another password by now.
            self.world.backend.accounts[user_id] = self._accounts[user_id]
            connection.sends(self.inputs.login(user_id, dialect))
        return connection

    def _talk(self) -> None:
        number = len(self._talked)
        for bystander in self.bystanders:
            bystander.talk(number)
            self._talked.append((bystander, f"number {number}"))

    def _settle(self, seconds: float = 0) -> None:
        self.world.clock.advance(seconds)
        connections = [*self.attackers, *(bystander.connection for bystander in self.bystanders)]
        busy = True
        while busy:
            busy = False
            for connection in connections:
                while connection.turn():
                    busy = True
            if self.world.clock.due:
                self.world.clock.advance(0)
                busy = True

    def _rest(self, seconds: int) -> None:
        """Let time go on, with nothing from the attacker."""
        for _ in range(seconds):
            self._settle(1)
            self._look()
        self._settle()

    # ---- what must hold

    def _look(self) -> None:
        for bystander in self.bystanders:
            bystander.look(self.world)
        for connection in self.attackers:
            self._look_at_answers(connection)
        expect(not self._log.wrong, "; ".join(self._log.wrong))

    def _look_at_answers(self, connection: Connection) -> None:
        try:
            messages = connection.takes()
        except WireError as error:
            raise Find(f"the attacker got what is no message: {error}") from None
        for message in messages:
            match message:
                case wire.LoginResMes() if message.token:
                    self.inputs.tokens.append(message.token)
                case wire.AckMes() if message.seq:
                    self.inputs.seqs.append(message.seq)
                    self._is_stored(message, connection)
                case wire.Text() if message.seq:
                    self.inputs.seqs.append(message.seq)

    def _is_stored(self, ack: wire.AckMes, connection: Connection) -> None:
        backend, sender = self.world.backend, connection.protocol.session.user_id
        places = (backend.room(LOBBY), backend.mailbox(sender))
        there = any(_holds(conversation, Seq.parse(ack.seq or "")) for conversation in places)
        expect(there, f"acknowledged, but not there: {ack} to {sender}")

    def end(self) -> None:
        """The attacker goes; all is as it was, and nobody missed anything.

        :raises Find: it is not so.
        """
        self.current = None
        while self.attackers:
            self.attackers.pop().cut()
        self._talk()
        self._rest(100)
        for bystander in self.bystanders:
            self._has_all(bystander)
        # The store in memory keeps all that was ever told.
        after = self._census()
        grown = {
            name: (self._before[name], n) for name, n in after.items() if n > self._before[name]
        }
        expect(not grown, f"more than before the attacker came (before, after): {grown}")
        self.world.run(self.world.node().store.flush())
        stopping = ensureDeferred(self.world.node().stop())
        self.world.wait(3)
        self.world.run(stopping)

    def _has_all(self, bystander: Bystander) -> None:
        for speaker, content in self._talked:
            if bystander is speaker:
                answered = bystander.answers.get(content) == 200 or bystander.dialect == 1
                expect(answered, f"bystander {bystander.user_id} got no answer to {content!r}")
            else:
                heard = bystander.heard[speaker.user_id, content]
                expect(heard == 1, f"bystander {bystander.user_id} heard {content!r} {heard} times")
        if bystander.dialect == 2:
            room = [entry.seq for entry in self.world.backend.room(LOBBY).entries]
            expect(bystander.room == room, f"bystander {bystander.user_id} has not all of the room")
            mailbox = self.world.backend.mailbox(bystander.user_id).entries
            expect(
                bystander.private == [entry.seq for entry in mailbox],
                f"bystander {bystander.user_id} has not all of the mailbox",
            )

    def _census(self) -> Counter[str]:
        """How many there are of what may not pile up."""
        gc.collect()
        kinds = Counter(type(thing) for thing in gc.get_objects())
        counts: Counter[str] = Counter()
        for kind, number in kinds.items():
            # Some classes have anything but a text there.
            module = str(kind.__module__)
            if module.startswith("chatroom.") and module not in _KEPT:
                counts[f"{module}.{kind.__qualname__}"] = number
        counts["Deferred"] = kinds[Deferred]
        # Those that tell of who comes and goes are due at times.
        counts["delayed calls"] = max(len(self.world.clock.calls), 5)
        counts["connections"] = self.world.node().sessions.connections
        return counts


def _holds(conversation: Conversation, seq: Seq) -> bool:
    found = conversation.after(Seq(seq.ms, seq.n - 1), 1)
    return bool(found) and found[0].seq == seq
