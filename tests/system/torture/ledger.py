"""The checker: its own record of what was sent, acknowledged and got, and what must hold of it.

Nothing here is shared with the program: a fault of its own code must not hide itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

#: A place in a conversation's order.
Place = tuple[int, int]
#: The room that everybody is in.
LOBBY = "lobby"
#: The conversation that holds all of a user's private messages.
INBOX = "inbox"


def brief(content: str) -> str:
    """A message's content as it is named in a verdict."""
    return repr(content if len(content) <= 20 else content[:16] + "…")


def _named(item: tuple[Place, str]) -> str:
    (ms, n), content = item
    return f"{brief(content)} ({ms}-{n})"


def place(text: str) -> Place:
    """Read ``"<ms>-<n>"``."""
    ms, n = text.split("-")
    return int(ms), int(n)


@dataclass
class Send:
    """One message that somebody meant to send. Its content is like no other's."""

    content: str
    sender: int
    device: str
    #: The one it is for; 0: everybody in the room.
    to: int = 0
    room: str = LOBBY
    acknowledged: Place | None = None
    #: Why it was refused for good.
    refused: str = ""
    #: It was sent again by a client that did not know of its first try.
    carried_over: bool = False

    @property
    def answered(self) -> bool:
        return self.acknowledged is not None or bool(self.refused)


@dataclass
class Stored:
    """A message as history holds it."""

    place: Place
    sender: int
    to: int
    content: str


@dataclass
class Device:
    """What one device of a user got, in the order in which it was shown."""

    user: int
    name: str
    #: Where it began, by conversation: a room's name, or `INBOX`. Empty until it has logged in.
    began: dict[str, Place] = field(default_factory=dict)
    shown: dict[str, list[tuple[Place, str]]] = field(default_factory=lambda: defaultdict(list))
    #: Exactly once is not promised to it: the conversation that it is judged by. For an original
    #: client, and for one that keeps no place.
    original: str = ""


@dataclass
class Verdict:
    """What was found wrong, and how much there was."""

    sends: int = 0
    acknowledged: int = 0
    delivered: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    faults: list[str] = field(default_factory=list)
    #: How many of the faults may only be late.
    late: int = 0

    def lose(self, what: str) -> None:
        self.lost += 1
        self.faults.append(f"lost: {what}")

    def miss(self, what: str) -> None:
        """Lost, unless it comes yet."""
        self.lose(what)
        self.late += 1

    def double(self, what: str) -> None:
        self.doubled += 1
        self.faults.append(f"doubled: {what}")

    def disorder(self, what: str) -> None:
        self.out_of_order += 1
        self.faults.append(f"out of order: {what}")

    def wrong(self, what: str) -> None:
        self.faults.append(what)

    @property
    def good(self) -> bool:
        return not self.faults

    @property
    def final(self) -> bool:
        """Waiting makes it no better."""
        return self.good or len(self.faults) > self.late


class Ledger:
    """Keeps the record while the load runs, and judges it afterwards against the history."""

    def __init__(self) -> None:
        self.sends: dict[str, Send] = {}
        self.devices: list[Device] = []

    def sending(
        self, content: str, sender: int, device: str, to: int = 0, room: str = LOBBY
    ) -> Send:
        """Somebody is about to send: to one person, or else to a room."""
        if content in self.sends:
            raise ValueError(f"{content!r} was sent before")
        send = self.sends[content] = Send(content, sender, device, to, "" if to else room)
        return send

    @property
    def acknowledged(self) -> int:
        """How many were, up to now."""
        return sum(send.acknowledged is not None for send in self.sends.values())

    def device(self, user: int, name: str, *, original: str = "") -> Device:
        """A device that will note what it is shown."""
        device = Device(user, name, original=original)
        self.devices.append(device)
        return device

    def judge(
        self,
        rooms: dict[str, list[Stored]],
        inboxes: dict[int, list[Stored]],
        unread: dict[int, int],
    ) -> Verdict:
        """Hold the record against the whole history.

        :param rooms: each room's messages, in its order.
        :param inboxes: each user's own private messages, sent and received, in its mailbox's order.
        :param unread: what each user is told at a last login, once everything was confirmed.
        """
        verdict = Verdict(sends=len(self.sends), acknowledged=self.acknowledged)
        histories = {f"the room {room}": history for room, history in rooms.items()}
        histories |= {f"the mailbox of {user}": inbox for user, inbox in inboxes.items()}
        for where, history in histories.items():
            self._judge_history(verdict, where, history)
        places = {
            where: {stored.content: stored.place for stored in reversed(history)}
            for where, history in histories.items()
        }
        for send in self.sends.values():
            self._judge_send(verdict, send, places)
        for device in self.devices:
            watched = [device.original] if device.original else {*device.began, *device.shown}
            for conversation in watched:
                inbox = inboxes.get(device.user, [])
                history = inbox if conversation == INBOX else rooms.get(conversation, [])
                self._judge_device(verdict, device, conversation, history)
        for user, count in unread.items():
            if count:
                verdict.wrong(f"user {user} has {count} unread after confirming everything")
                verdict.late += 1
        return verdict

    def _judge_history(self, verdict: Verdict, where: str, history: list[Stored]) -> None:
        """Nothing twice, nothing that was never sent, and places that rise."""
        for content, count in Counter(stored.content for stored in history).items():
            if count > 1:
                verdict.double(f"{brief(content)} is {count} times in {where}")
        for stored in history:
            send = self.sends.get(stored.content)
            if send is None or send.sender != stored.sender:
                verdict.wrong(
                    f"{brief(stored.content)} in {where} was never sent by {stored.sender}"
                )
            elif send.to != stored.to or where not in self._holders(send):
                verdict.wrong(f"{brief(stored.content)} in {where} was not sent there")
        for earlier, later in pairwise(history):
            if earlier.place >= later.place:
                verdict.disorder(f"{where} holds {later.place} behind {earlier.place}")

    @staticmethod
    def _holders(send: Send) -> list[str]:
        """Where it belongs; first the one whose place was acknowledged."""
        if not send.to:
            return [f"the room {send.room}"]
        return [f"the mailbox of {user}" for user in dict.fromkeys((send.sender, send.to))]

    def _judge_send(
        self, verdict: Verdict, send: Send, places: dict[str, dict[str, Place]]
    ) -> None:
        """What was acknowledged is there, where the acknowledgement said; and all is answered."""
        if not send.answered:
            verdict.wrong(f"{brief(send.content)} was never answered")
        if send.acknowledged is None:
            return
        first, *others = self._holders(send)
        for where in (first, *others):
            found = places.get(where, {}).get(send.content)
            if found is None:
                verdict.lose(f"{brief(send.content)} was acknowledged and is not in {where}")
            elif where == first and found != send.acknowledged:
                verdict.wrong(f"{brief(send.content)} was acknowledged at another place")

    def _judge_device(
        self, verdict: Verdict, device: Device, conversation: str, history: list[Stored]
    ) -> None:
        """What was shown live is what history says, from where the device began."""
        shown = device.shown[conversation]
        verdict.delivered += len(shown)
        if device.original:
            self._judge_original(verdict, device, conversation, history)
            return
        if conversation not in device.began:
            if shown:
                verdict.wrong(f"{device.name} was shown something before it logged in")
            return
        began = device.began[conversation]
        expected, own = [], set()
        for stored in history:
            send = self.sends.get(stored.content)
            if stored.place <= began:
                continue
            if send is None or send.device != device.name:
                expected.append((stored.place, stored.content))
            elif send.acknowledged is None or send.carried_over:
                # When it came back the device did not know that it was its own.
                own.add((stored.place, stored.content))
        self._compare(verdict, f"{device.name} ({conversation})", expected, own, shown)

    @staticmethod
    def _compare(
        verdict: Verdict,
        who: str,
        expected: list[tuple[Place, str]],
        allowed: set[tuple[Place, str]],
        shown: list[tuple[Place, str]],
    ) -> None:
        seen = Counter(shown)
        for item in expected:
            if item not in seen:
                verdict.miss(f"{who} was not shown {_named(item)}")
        for item, count in seen.items():
            if count > 1:
                verdict.double(f"{who} was shown {_named(item)} {count} times")
        for item in seen.keys() - set(expected) - allowed:
            verdict.wrong(f"{who} was shown {_named(item)}, which history does not hold for it")
        for earlier, later in pairwise(shown):
            if earlier[0] > later[0]:
                verdict.disorder(f"{who} was shown {_named(later)} behind {_named(earlier)}")

    @staticmethod
    def _judge_original(
        verdict: Verdict, device: Device, conversation: str, history: list[Stored]
    ) -> None:
        """To an original client a private message may come again, and must not be lost.

        Of the room it gets what is said while it is connected, with no gap from the first message
        that it got on.
        """
        contents = [content for _, content in device.shown[conversation]]
        if conversation == INBOX:
            seen = set(contents)
            for stored in history:
                if stored.to == device.user and stored.content not in seen:
                    verdict.miss(f"{device.name} (original) never got {brief(stored.content)}")
            return
        order = [stored.content for stored in history if stored.sender != device.user]
        first = order.index(contents[0]) if contents and contents[0] in order else 0
        for number, got in enumerate(contents, first):
            if number >= len(order) or order[number] != got:
                expected = brief(order[number]) if number < len(order) else "nothing"
                verdict.lose(f"{device.name} (original) got {brief(got)} instead of {expected}")
                break
