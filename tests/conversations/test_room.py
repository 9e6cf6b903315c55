"""The fan-out of one room, on followers with no connection."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest

from chatroom.conversations.rendering import SLICE, text_from
from chatroom.conversations.room import RECENT, Room, RoomFeed
from chatroom.protocol.dialects import DIALECT_1, DIALECT_2, Blob, Codec
from chatroom.protocol.messages import Seq
from chatroom.store.records import Entry, Post


def entry(n: int, *, origin: str = "nobody", content: str = "x") -> Entry:
    post = Post(user_id=1, name="a", status=0, sex="", content=content, id=f"id{n}", origin=origin)
    return Entry(seq=Seq(n, 0), sent_at=1_800_000_000_000 - n, post=post)


class Listener(RoomFeed):
    """A feed that keeps what it gets, and is its own session and outbox."""

    def __init__(self, tag: str, room: Room, cursor: int | None = None, codec: Codec = DIALECT_2):
        self.tag = tag
        self.session: Any = self
        self.codec = codec
        self.outbox = self
        self.cursor = room.position if cursor is None else Seq(cursor, 0)
        self.blobs: list[Blob] = []
        self.handed: list[int] = []
        self.released = 0

    @staticmethod
    def put_to_all(outboxes: Collection[Any], blob: Blob) -> None:
        for outbox in outboxes:
            outbox.put(blob)

    def put(self, blob: Blob) -> None:
        self.blobs.append(blob)

    def hand_over_live(
        self, entries: Sequence[Entry], blobs: Sequence[Blob], own: Sequence[int]
    ) -> None:
        assert [entries[index].post.origin for index in own] == [self.tag] * len(own)
        assert len(blobs) == len(entries)
        self.hand_over(entries)

    def hand_over(self, entries: Sequence[Entry]) -> None:
        self.handed += [entry.seq.ms for entry in entries]
        self.cursor = entries[-1].seq

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def room() -> Room:
    return Room("lobby", Seq(100, 0))


def joined(room: Room, tag: str, cursor: int | None = None, codec: Codec = DIALECT_2) -> Listener:
    listener = Listener(tag, room, cursor, codec)
    assert room.join(listener)
    return listener


def test_what_one_read_brings_leaves_as_one_write_the_same_for_everybody(room: Room) -> None:
    first, second = joined(room, "1"), joined(room, "2")
    entries = [entry(101), entry(102)]
    room.fan_out(entries)
    whole = DIALECT_2.encode([text_from(each, "lobby") for each in entries])
    assert first.blobs == second.blobs == [whole]
    assert room.position == Seq(102, 0)


def test_each_dialect_is_encoded_for(room: Room) -> None:
    old, new = joined(room, "1", codec=DIALECT_1), joined(room, "2")
    room.fan_out([entry(101), entry(102)])
    assert [len(blob) for blob in old.blobs] == [2]
    assert [len(blob) for blob in new.blobs] == [1]


def test_the_sending_session_is_handed_the_same_stretch_with_its_own_in_place(room: Room) -> None:
    sender, other = joined(room, "s"), joined(room, "o")
    room.fan_out([entry(101), entry(102, origin="s"), entry(103)])
    assert sender.blobs == []
    assert sender.handed == [101, 102, 103]
    assert len(other.blobs) == 1


def test_who_lacks_what_the_room_remembers_is_given_it_and_is_live(room: Room) -> None:
    room.fan_out([entry(n) for n in range(101, 111)])
    late = joined(room, "l", cursor=105)
    assert late.handed == [106, 107, 108, 109, 110]
    room.fan_out([entry(111)])
    assert len(late.blobs) == 1


def test_who_lacks_more_has_to_read_the_store_first(room: Room) -> None:
    assert not room.join(Listener("early", room, cursor=99))
    for n in range(101, 101 + 2 * RECENT):
        room.fan_out([entry(n)])
    last_forgotten = 100 + RECENT
    assert not room.join(Listener("l", room, cursor=last_forgotten - 1))
    assert joined(room, "m", cursor=last_forgotten).handed[0] == last_forgotten + 1


def test_who_lacks_more_bytes_than_are_given_at_once_has_to_read_the_store_first(
    room: Room,
) -> None:
    room.fan_out([entry(n, content="x" * 4000) for n in range(101, 101 + SLICE // 16000 + 1)])
    assert not room.join(Listener("l", room, cursor=100))
    assert joined(room, "m", cursor=102).handed[0] == 103


def test_who_is_ahead_of_the_room_skips_what_it_has(room: Room) -> None:
    ahead = joined(room, "a", cursor=103)
    room.fan_out([entry(101), entry(102)])
    assert (ahead.handed, ahead.blobs) == ([], [])
    room.fan_out([entry(103), entry(104)])
    assert ahead.handed == [104]
    room.fan_out([entry(105)])
    assert len(ahead.blobs) == 1


def test_who_is_ahead_gets_nothing_twice_for_having_sent_something(room: Room) -> None:
    ahead = joined(room, "a", cursor=102)
    room.fan_out([entry(101, origin="a"), entry(102), entry(103, origin="a")])
    assert ahead.handed == [103]


def test_who_left_gets_nothing_more_also_when_it_was_ahead(room: Room) -> None:
    ahead, live = joined(room, "a", cursor=102), joined(room, "l")
    room.expecting.add(live)
    for follower in (ahead, live):
        room.leave(follower)
    room.leave(live)
    room.fan_out([entry(101), entry(102, origin="l"), entry(103)])
    assert (ahead.handed, live.handed, live.blobs, live.released) == ([], [], [], 0)


def test_a_follower_that_leaves_while_it_is_given_something_disturbs_nobody(room: Room) -> None:
    others = [joined(room, f"{n}") for n in range(5)]

    class Leaving(Listener):
        def put(self, blob: Blob) -> None:
            for follower in (self, others[2]):
                room.leave(follower)

    room.join(Leaving("leaving", room))
    room.fan_out([entry(101)])
    room.fan_out([entry(102)])
    assert [len(other.blobs) for other in others if other is not others[2]] == [2] * 4


def test_who_waits_for_the_room_to_come_to_a_place_is_told_when_it_moves(room: Room) -> None:
    waiting = joined(room, "w")
    room.expecting.add(waiting)
    room.fan_out([entry(101)])
    assert waiting.released == 1


def test_nothing_new_moves_nothing(room: Room) -> None:
    follower = joined(room, "f")
    room.fan_out([])
    assert (room.position, follower.blobs) == (Seq(100, 0), [])
