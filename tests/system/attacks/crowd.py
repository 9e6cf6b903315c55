"""Quiet people who keep talking, in a process of their own.

They say what they get to hear and when: each line on standard input ends a period, and gives a line
of JSON on standard output about it.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from itertools import count

from chatroom.protocol import messages as wire
from chatroom.protocol.messages import Message
from tests.wire import PASSWORD, PATIENCE, WireClient, new_id

#: Messages that all of them together say, in a second, and in a period at least.
RATE, LEAST = 20.0, 25


class Person(WireClient):
    """One of them."""

    def __init__(self, port: int, user_id: int) -> None:
        # Not more than so many from one address: the server would not take them.
        super().__init__(port, source=f"127.0.1.{1 + user_id // 50 % 200}")
        self.user_id = user_id


class Crowd:
    """All of them, and what of that which was said has reached whom.

    :param first_id: the first one's user id; the others follow.
    """

    def __init__(self, port: int, first_id: int, size: int) -> None:
        self._people = [Person(port, first_id + number) for number in range(size)]
        self._selector = selectors.DefaultSelector()
        for person in self._people:
            self._selector.register(person, selectors.EVENT_READ, person)
        #: By content: when it was said, and whom it has not reached yet.
        self._said: dict[str, tuple[float, set[int]]] = {}
        self._answered: set[str] = set()
        self._unanswered: dict[str, float] = {}
        self._latencies: list[float] = []
        self._troubles: list[str] = []
        self._numbers = count(1)
        self._in = 0

    def enter(self) -> None:
        for person in self._people:
            user = wire.User(person.user_id, PASSWORD, f"quiet {person.user_id}")
            login = wire.LoginMes(user_id=person.user_id, user_pwd=PASSWORD, protocol=2)
            person.send(wire.RegisterMes(user=user), login)
        self._listen_until(lambda: self._in == len(self._people), PATIENCE)

    def talk(self, until_line: socket.socket) -> None:
        """Say something, one after the other, until there is a line to read and enough was said."""
        self._selector.register(until_line, selectors.EVENT_READ, None)
        due, called = time.monotonic(), False
        for turn in count():
            person = self._people[turn % len(self._people)]
            content, message_id = f"message {next(self._numbers)}", new_id()
            others = {one.user_id for one in self._people if one is not person}
            self._said[content] = (time.monotonic(), others)
            self._unanswered[message_id] = time.monotonic()
            person.send(wire.SmsMes(content=content, id=message_id))
            due += 1 / RATE
            while (left := due - time.monotonic()) > 0:
                if self._listen(left):
                    self._selector.unregister(until_line)
                    called = True
            if called and turn >= LEAST:
                return

    def report(self) -> dict[str, object]:
        """What the period that ends here was like."""
        self._listen_until(lambda: not self._said and not self._unanswered, PATIENCE)
        missing = sum(len(whom) for _, whom in self._said.values()) + len(self._unanswered)
        latencies, troubles = sorted(self._latencies), self._troubles
        self._latencies, self._troubles = [], []
        self._said.clear()
        self._unanswered.clear()
        return {
            "delivered": len(latencies),
            "missing": missing,
            "troubles": troubles,
            "p50_ms": round(1000 * latencies[len(latencies) // 2], 1) if latencies else 0,
            "p99_ms": round(1000 * latencies[len(latencies) * 99 // 100], 1) if latencies else 0,
            "max_ms": round(1000 * latencies[-1], 1) if latencies else 0,
        }

    def _listen_until(self, enough: object, seconds: float) -> None:
        assert callable(enough)
        until = time.monotonic() + seconds
        while not enough() and time.monotonic() < until:
            self._listen(0.1)

    def _listen(self, seconds: float) -> bool:
        """Hear what comes; whether the one who started us said something."""
        called = False
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                called = True
                continue
            try:
                for message in key.data.read_once(PATIENCE):
                    self._heard(key.data, message)
            except OSError as error:
                self._troubles.append(f"{key.data.user_id}: {error}")
                self._selector.unregister(key.fileobj)
        return called

    def _heard(self, person: Person, message: Message) -> None:
        match message:
            case wire.SmsMes():
                since, whom = self._said.get(message.content, (0.0, set()))
                if person.user_id in whom:
                    whom.remove(person.user_id)
                    self._latencies.append(time.monotonic() - since)
                    if not whom:
                        del self._said[message.content]
            case wire.AckMes(code=wire.Code.OK):
                self._unanswered.pop(message.id, None)
            case wire.AckMes() | wire.ErrorMes():
                self._troubles.append(f"{person.user_id}: {message.code} {message.error}")
            case wire.LoginResMes(code=wire.Code.OK):
                self._in += 1
            case wire.LoginResMes():
                self._troubles.append(f"{person.user_id}: {message.code} {message.error}")
            case wire.PingMes():
                person.send(wire.PongMes())


def main() -> None:
    port, first_id, size = map(int, sys.argv[1:])
    crowd = Crowd(port, first_id, size)
    crowd.enter()
    print("in", flush=True)
    # As a socket, so that it can be waited for together with all the others.
    lines = socket.socket(fileno=sys.stdin.fileno())
    while True:
        crowd.talk(lines)
        if not lines.recv(1):
            return
        print(json.dumps(crowd.report()), flush=True)


if __name__ == "__main__":
    main()
