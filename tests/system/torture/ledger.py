"""The checker: its own record of what was sent, acknowledged and got, and what must hold of it.

Nothing here is shared with the program: a fault of its own code must not hide itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

#: A place in a conversation's order.
Place = tuple[int, int]
START: Place = (0, 0)


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
    #: 0: the room.
    to: int
    acknowledged: Place | None = None
    refused: str = ""


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
    #: Where it began, by conversation: "room" or "inbox". None until it has logged in once.
    began: dict[str, Place] = field(default_factory=dict)
    shown: dict[str, list[tuple[Place, str]]] = field(
        default_factory=lambda: {"room": [], "inbox": []}
    )
    #: An original client: exactly once is not promised to it.
    original: bool = False
    #: The conversations that it is judged by.
    watches: tuple[str, ...] = ("room", "inbox")


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

    def lose(self, what: str) -> None:
        self.lost += 1
        self.faults.append(f"lost: {what}")

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


class Ledger:
    """Keeps the record while the load runs, and judges it afterwards against the history."""

    def __init__(self) -> None:
        self.sends: dict[str, Send] = {}
        self.devices: list[Device] = []

    def sending(self, content: str, sender: int, device: str, to: int = 0) -> Send:
        """Somebody is about to send."""
        if content in self.sends:
            raise ValueError(f"{content!r} was sent before")
        send = self.sends[content] = Send(content, sender, device, to)
        return send

    def device(
        self,
        user: int,
        name: str,
        *,
        original: bool = False,
        watches: tuple[str, ...] = ("room", "inbox"),
    ) -> Device:
        """A device that will note what it is shown."""
        device = Device(user, name, original=original, watches=watches)
        self.devices.append(device)
        return device

    def judge(
        self, room: list[Stored], inboxes: dict[int, list[Stored]], unread: dict[int, int]
    ) -> Verdict:
        """Hold the record against the whole history.

        :param inboxes: each user's own private messages, sent and received, in its mailbox's order.
        :param unread: what each user is told at a last login, once everything was confirmed.
        """
        verdict = Verdict(
            sends=len(self.sends),
            acknowledged=sum(send.acknowledged is not None for send in self.sends.values()),
        )
        self._judge_history(verdict, "the room", room, room=True)
        for user, inbox in inboxes.items():
            self._judge_history(verdict, f"the mailbox of {user}", inbox, room=False)
        for send in self.sends.values():
            self._judge_send(verdict, send, room, inboxes)
        for device in self.devices:
            for conversation in device.watches:
                history = room if conversation == "room" else inboxes.get(device.user, [])
                self._judge_device(verdict, device, conversation, history)
        for user, count in unread.items():
            if count:
                verdict.wrong(f"user {user} has {count} unread after confirming everything")
        return verdict

    def _judge_history(
        self, verdict: Verdict, where: str, history: list[Stored], *, room: bool
    ) -> None:
        """Nothing twice, nothing that was never sent, and places that rise."""
        for content, count in Counter(stored.content for stored in history).items():
            if count > 1:
                verdict.double(f"{content!r} is {count} times in {where}")
        for stored in history:
            send = self.sends.get(stored.content)
            if send is None or send.sender != stored.sender or (send.to == 0) != room:
                verdict.wrong(f"{stored.content!r} in {where} was never sent by {stored.sender}")
            elif not room and send.to != stored.to:
                verdict.wrong(f"{stored.content!r} in {where} was not sent to {stored.to}")
        for earlier, later in pairwise(history):
            if earlier.place >= later.place:
                verdict.disorder(f"{where} holds {later.place} behind {earlier.place}")

    @staticmethod
    def _judge_send(
        verdict: Verdict, send: Send, room: list[Stored], inboxes: dict[int, list[Stored]]
    ) -> None:
        """What was acknowledged is there, where the acknowledgement said."""
        if send.acknowledged is None:
            return
        holders = [("the room", room)]
        if send.to:
            holders = [(f"the mailbox of {user}", inboxes[user]) for user in {send.sender, send.to}]
        for where, history in holders:
            found = [stored.place for stored in history if stored.content == send.content]
            if not found:
                verdict.lose(f"{send.content!r} was acknowledged and is not in {where}")
            elif where in ("the room", f"the mailbox of {send.sender}"):
                if found[0] != send.acknowledged:
                    verdict.wrong(f"{send.content!r} was acknowledged at another place")

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
            elif send.acknowledged is None:
                # Whether it was stored the device never learned: it may be shown it later.
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
                verdict.lose(f"{who} was not shown {item}")
        for item, count in seen.items():
            if count > 1:
                verdict.double(f"{who} was shown {item} {count} times")
        for item in seen.keys() - set(expected) - allowed:
            verdict.wrong(f"{who} was shown {item}, which history does not hold for it")
        for earlier, later in pairwise(shown):
            if earlier[0] > later[0]:
                verdict.disorder(f"{who} was shown {later} behind {earlier}")

    @staticmethod
    def _judge_original(
        verdict: Verdict, device: Device, conversation: str, history: list[Stored]
    ) -> None:
        """To an original client a private message may come again, and must not be lost.

        Of the room it gets what is said while it is connected: ``began`` says whether it was so
        without a break, and from which message on.
        """
        contents = [content for _, content in device.shown[conversation]]
        if conversation == "inbox":
            for stored in history:
                if stored.to == device.user and not any(stored.content in c for c in contents):
                    verdict.lose(f"{device.name} (original) never got {stored.content!r}")
            return
        order = [stored.content for stored in history if stored.sender != device.user]
        if contents and contents[0] in order:
            first = order.index(contents[0])
            for expected, got in zip(order[first:], contents, strict=False):
                if expected != got:
                    verdict.lose(f"{device.name} (original) got {got!r} instead of {expected!r}")
                    break
