"""Who is online, and who is told of it when."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from chatroom.presence.announcer import CROWDED, UNCROWDED, Announcer
from chatroom.presence.publisher import Publisher
from chatroom.presence.roster import Roster
from chatroom.protocol import messages as wire
from chatroom.protocol.messages import Person, PresenceMes
from chatroom.store.events import PresenceEvent
from chatroom.store.records import StoreUnavailable
from tests.doubles.memory_store import Trouble
from tests.world import World


def person(user_id: int, status: int = 0) -> Person:
    return Person(user_id=user_id, user_name=f"user {user_id}", user_status=status)


def come(node: str, *user_ids: int, reset: bool = False) -> PresenceEvent:
    people = [person(user_id) for user_id in user_ids]
    return PresenceEvent(node=node, present=people, gone=[], reset=reset)


def go(node: str, *user_ids: int) -> PresenceEvent:
    return PresenceEvent(node=node, present=[], gone=list(user_ids))


# ---------------------------------------------------------------- the roster


def test_a_user_is_online_while_any_node_says_so() -> None:
    roster = Roster()
    assert [who.user_id for who in roster.apply(come("a", 1))] == [1]
    assert roster.apply(come("b", 1)) == []
    assert roster.apply(go("a", 1)) == []
    assert roster.person(1) is not None
    [gone] = roster.apply(go("b", 1))
    assert (gone.user_id, gone.user_status) == (1, wire.Status.OFFLINE)
    assert len(roster) == 0


def test_a_reset_is_all_there_is_on_a_node() -> None:
    roster = Roster()
    roster.apply(come("a", 1, 2))
    roster.apply(come("b", 2))
    changes = roster.apply(come("a", 3, reset=True))
    assert [(who.user_id, who.user_status) for who in changes] == [(1, 1), (3, 0)]
    assert roster.page(0, 10) == ([person(2), person(3)], None)


def test_a_status_is_a_change_and_the_same_one_again_is_none() -> None:
    roster = Roster()
    roster.apply(come("a", 1))
    busy = PresenceEvent(node="a", present=[person(1, 2)], gone=[])
    assert roster.apply(busy) == [person(1, 2)]
    assert roster.apply(busy) == []
    assert roster.person(1) == person(1, 2)
    assert roster.person(2) is None


def test_who_was_not_there_does_not_go() -> None:
    roster = Roster()
    assert roster.apply(go("a", 1)) == []
    assert roster._nodes == {}


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.lists(st.integers(1, 6), max_size=3),
            st.lists(st.integers(1, 6), max_size=3),
            st.booleans(),
        )
    )
)
def test_the_roster_is_what_the_nodes_say_whatever_they_say(
    events: list[tuple[str, list[int], list[int], bool]],
) -> None:
    roster, nodes = Roster(), dict[str, set[int]]()
    for node, present, gone, reset in events:
        before = {user_id for users in nodes.values() for user_id in users}
        users = set() if reset else nodes.get(node, set()) - set(gone)
        nodes[node] = users | set(present)
        after = {user_id for users in nodes.values() for user_id in users}
        event = PresenceEvent(node=node, present=list(map(person, present)), gone=gone, reset=reset)
        changes = {change.user_id: change.user_status for change in roster.apply(event)}
        told_gone = {user_id for user_id, status in changes.items() if status == 1}
        assert before - after == told_gone
        assert after - before <= changes.keys()
        assert [who.user_id for who in roster.page(0, 100)[0]] == sorted(after)
        assert set(roster._nodes) == {name for name, users in nodes.items() if users}
        assert len(roster.first(3)) == min(3, len(after))


# ---------------------------------------------------------------- telling


class Told:
    """An announcer, its roster, and what everybody is told at which second."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.roster = Roster()
        self.messages: list[tuple[float, PresenceMes]] = []
        self.announcer = Announcer(self.clock, self.roster, self._tell)

    def _tell(self, message: PresenceMes) -> None:
        self.messages.append((round(self.clock.seconds(), 3), message))

    def happens(self, event: PresenceEvent) -> None:
        self.announcer.changed(self.roster.apply(event))

    def take(self) -> list[tuple[float, PresenceMes]]:
        messages, self.messages = self.messages, []
        return messages


@pytest.fixture
def told() -> Told:
    return Told()


def test_changes_come_in_batches_at_most_ten_a_second(told: Told) -> None:
    for n in range(100):
        told.happens(come("a", n + 1))
        told.clock.advance(0.01)
    told.clock.advance(1)
    times = [when for when, _ in told.messages]
    assert len(times) <= 11
    assert all(later - earlier >= 0.0999 for earlier, later in pairwise(times))
    assert sum(len(message.changes) for _, message in told.messages) == 100
    assert told.messages[-1][1].online == 100


def test_the_last_word_on_somebody_is_what_is_told(told: Told) -> None:
    told.happens(come("a", 1))
    told.clock.advance(0)
    told.happens(go("a", 1))
    told.happens(come("a", 1))
    told.happens(go("a", 1))
    told.clock.advance(1)
    [_, (_, last)] = told.messages
    assert [(who.user_id, who.user_status) for who in last.changes] == [(1, 1)]


def test_nothing_new_is_not_told(told: Told) -> None:
    told.announcer.changed([])
    told.clock.advance(60)
    assert told.messages == []


def test_a_crowd_is_told_its_number_only_every_30_s_until_it_is_under_400(told: Told) -> None:
    told.happens(come("a", *range(1, CROWDED)))
    told.clock.advance(1)
    [(_, uncrowded)] = told.take()
    assert len(uncrowded.changes) == CROWDED - 1
    assert not uncrowded.partial
    for second in range(90):
        told.happens(come("a", CROWDED + second))
        told.clock.advance(1)
    told.clock.advance(30)
    crowded = told.take()
    assert all(message.partial and not message.changes for _, message in crowded)
    assert 3 <= len(crowded) <= 5
    gone = range(1, CROWDED + 90 - UNCROWDED + 1)
    told.happens(go("a", *gone))
    assert len(told.roster) == UNCROWDED - 1
    told.clock.advance(0.2)
    [(_, last)] = told.take()
    assert not last.partial
    assert last.changes


def test_when_a_crowd_has_gone_changes_do_not_wait_for_the_next_count(told: Told) -> None:
    told.happens(come("a", *range(1, CROWDED + 1)))
    told.clock.advance(1)
    told.happens(come("a", 1000))
    told.clock.advance(1)
    told.take()
    told.happens(go("a", *range(1, 300)))
    told.happens(come("a", 2000))
    told.clock.advance(0.2)
    [(_, message)] = told.take()
    assert 2000 in {who.user_id for who in message.changes}
    told.clock.advance(60)
    assert told.take() == []


def test_others_are_told_when_the_first_session_comes_and_the_last_one_goes(world: World) -> None:
    other, elsewhere, old = world.member(9), world.member(8, "two"), world.member(7, dialect=1)
    world.forget(other, elsewhere, old)
    first = world.enter(1)
    world.wait(0.3)
    for reader in (other, elsewhere):
        message = reader.take_one(PresenceMes)
        assert [(who.user_id, who.user_name, who.user_status) for who in message.changes] == [
            (1, "user 1", 0)
        ]
    assert old.take() == [wire.NotifyUserStatusMes(user_id=1, status=0)]
    second = world.enter(1, "two")
    first.cut()
    world.wait(0.3)
    assert [*other.take(), *elsewhere.take(), *old.take()] == []
    second.cut()
    world.wait(0.3)
    for reader in (other, elsewhere):
        [gone] = reader.take_one(PresenceMes).changes
        assert (gone.user_id, gone.user_status) == (1, 1)
    assert old.take() == [wire.NotifyUserStatusMes(user_id=1, status=1)]


def test_nobody_is_told_of_only_themselves(world: World) -> None:
    client = world.enter(1)
    world.wait(1)
    assert client.take_only(PresenceMes) == []
    client.says(wire.StatusMes(status=2))
    world.wait(1)
    assert client.take_only(PresenceMes) == []
    world.clock.advance(0)
    client.says(wire.StatusMes(status=0))
    other = world.connect()
    other.says(world.login(2))
    world.wait(1)
    changes = [who for message in client.take_only(PresenceMes) for who in message.changes]
    assert {who.user_id for who in changes} == {2}


# ---------------------------------------------------------------- telling the store


class Here:
    """This node's presence on a store that can fail."""

    def __init__(self) -> None:
        self.world = World()
        self.store = self.world.store()
        self.presence = Publisher(self.world.clock, self.store)

    def known(self) -> set[int]:
        return set(self.world.backend.nodes["one"].users)


@pytest.fixture
def here() -> Here:
    return Here()


def test_who_comes_is_in_once_the_store_knows(here: Here) -> None:
    here.world.run(here.presence.arrive(person(1)))
    assert here.known() == {1}
    here.presence.depart(1)
    here.presence.depart(2)
    here.world.settle()
    assert here.known() == set()


def test_coming_and_going_at_once_ends_as_it_was_last(here: Here) -> None:
    for last_is_here in (True, False):
        arriving = here.presence.arrive(person(1))
        here.presence.depart(1)
        if last_is_here:
            arriving = here.presence.arrive(person(1))
        here.world.run(arriving)
        assert here.known() == ({1} if last_is_here else set())


def test_a_coming_that_the_store_does_not_take_fails_and_all_is_told_again(here: Here) -> None:
    here.world.run(here.presence.arrive(person(1)))
    here.store.fail(Trouble.REFUSES)
    failing = here.presence.arrive(person(2))
    with pytest.raises(StoreUnavailable):
        here.world.run(failing)
    here.presence.depart(1)
    here.world.wait(3)
    here.store.recover()
    here.world.wait(3)
    assert here.known() == {2}


def test_everything_is_told_again_until_the_store_has_taken_it(here: Here) -> None:
    here.world.run(here.presence.arrive(person(1)))
    here.world.backend.nodes["one"].users.clear()
    here.store.fail(Trouble.REFUSES)
    told: list[None] = []
    here.presence.reset().addCallback(told.append)
    here.world.wait(3)
    assert told == []
    here.store.recover()
    here.world.wait(3)
    assert told == [None]
    assert here.known() == {1}


def test_a_status_learnt_since_is_what_is_told_again(here: Here) -> None:
    here.world.run(here.presence.arrive(person(1)))
    here.presence.update(person(1, 2))
    here.presence.update(person(9))
    here.world.run(here.presence.reset())
    assert here.world.backend.nodes["one"].users == {1: person(1, 2)}


def test_a_fault_that_is_not_the_stores_is_tried_again_too(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> Deferred[None]:
        deferred: Deferred[None] = Deferred()
        deferred.errback(ZeroDivisionError())
        return deferred

    with monkeypatch.context() as patch:
        patch.setattr(here.store, "update_presence", fault)
        with pytest.raises(ZeroDivisionError):
            here.world.run(here.presence.arrive(person(1)))
    here.world.wait(2)
    assert here.known() == {1}
