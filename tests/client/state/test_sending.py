"""Messages that are sent: in order, settled once, and sent again until they are."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError

from chatroom.client import NotConnected, SendRefused, Sent, Unconfirmed
from chatroom.client.state.send_queue import WINDOW
from chatroom.protocol import codec, messages as wire
from tests.client.stage import Outcome, Stage, to_person, to_room


def test_a_message_is_sent_when_the_server_has_stored_it(stage: Stage) -> None:
    sent = Outcome(stage.client.send("hello"))
    stage.run()
    text = stage.server.last(wire.SmsMes)
    assert (text.content, text.room) == ("hello", "lobby")
    assert not sent.done
    stage.ack(str(text.id), "6-0")
    assert sent.value == Sent(str(text.id), wire.Seq(6, 0), 200)
    assert stage.client.unsettled == 0


def test_a_private_message_to_one_who_is_away_is_kept(stage: Stage) -> None:
    sent = Outcome(stage.client.send_private(101, "later"))
    stage.run()
    text = stage.server.last(wire.PrivateMes)
    assert (text.content, text.to_user_id) == ("later", 101)
    stage.ack(str(text.id), "7-0", 202)
    assert sent.value.code == 202
    assert stage.client.position.inbox == wire.Seq(7, 0)


def test_ids_are_long_and_never_the_same(stage: Stage) -> None:
    for _ in range(WINDOW):
        Outcome(stage.client.send("again"))
    stage.run()
    ids = stage.server.ids()
    assert len(set(ids)) == WINDOW
    assert min(map(len, ids)) >= 11  # 64 bits in base64


def test_an_acknowledgement_moves_the_position_like_the_message_itself(stage: Stage) -> None:
    Outcome(stage.client.send("mine"))
    stage.run()
    stage.ack(stage.server.ids()[0], "6-0")
    stage.say(to_room("a double", "6-0"), to_room("theirs", "6-1"))
    assert stage.texts == ["theirs"]


def test_at_most_a_hundred_are_unanswered_and_the_rest_follow_in_order(stage: Stage) -> None:
    outcomes = [Outcome(stage.client.send(f"{n}")) for n in range(250)]
    stage.run()
    assert len(stage.server.ids()) == WINDOW
    stage.ack(stage.server.ids()[0], "6-0")
    assert len(stage.server.ids()) == WINDOW + 1
    for n in range(1, 250):
        stage.ack(stage.server.ids()[n], f"6-{n}")
    assert [text.content for text in stage.server.all(wire.SmsMes)] == [f"{n}" for n in range(250)]
    assert all(outcome.times == 1 and outcome.error is None for outcome in outcomes)


def test_one_message_without_an_answer_holds_the_window_where_it_is(stage: Stage) -> None:
    # The server remembers a bounded number of ids: what may be sent again must stay near.
    for n in range(300):
        Outcome(stage.client.send(f"{n}"))
    stage.run()
    for message_id in stage.server.ids()[1:]:
        stage.ack(message_id, "6-0")
    assert len(stage.server.ids()) == WINDOW


@pytest.mark.parametrize("code", [400, 401, 404, 413, 507, 599])
def test_a_final_refusal_ends_it_and_lets_the_next_one_through(stage: Stage, code: int) -> None:
    refused, next_one = Outcome(stage.client.send("no")), Outcome(stage.client.send("yes"))
    stage.run()
    first, second = stage.server.ids()
    stage.say(wire.AckMes(first, code, error="because"))
    stage.ack(second, "6-0")
    assert isinstance(refused.error, SendRefused)
    assert (refused.error.code, str(refused.error)) == (code, "because")
    assert not refused.error.uncertain
    assert next_one.value is not None


def test_a_refusal_of_a_second_try_says_that_the_first_may_have_been_stored(stage: Stage) -> None:
    refused = Outcome(stage.client.send_private(101, "hello"))
    stage.run()
    stage.network.last.cut()
    stage.come_back()
    stage.say(wire.AckMes(stage.server.ids()[0], 507))
    assert isinstance(refused.error, SendRefused)
    assert refused.error.uncertain
    assert "mailbox is full" in str(refused.error)


def test_what_has_no_answer_when_the_connection_breaks_is_sent_again_in_order(
    stage: Stage,
) -> None:
    outcomes = [Outcome(stage.client.send(f"{n}")) for n in range(3)]
    stage.run()
    ids = stage.server.ids()
    stage.ack(ids[0], "6-0")
    stage.network.last.cut()
    outcomes.append(Outcome(stage.client.send("3")))
    stage.come_back()
    assert stage.server.ids()[:2] == ids[1:]
    assert [text.content for text in stage.server.all(wire.SmsMes)] == ["1", "2", "3"]
    for n, message_id in enumerate(stage.server.ids(), 1):
        stage.ack(message_id, f"6-{n}")
    assert [outcome.value.seq.n for outcome in outcomes] == [0, 1, 2, 3]


def test_a_cut_at_any_byte_of_the_acknowledgement_leaves_one_outcome(stage: Stage) -> None:
    length = len(codec.frame(codec.encode(wire.AckMes("x" * 22, 200, "6-0"))))
    for cut in range(length + 1):
        stage = Stage()
        stage.log_in()
        sent = Outcome(stage.client.send("hello"))
        stage.run()
        message_id = stage.server.ids()[0]
        stage.server.send(wire.AckMes(message_id, 200, "6-0"))
        stage.network.last.cut(to_client=cut)
        assert sent.done == (cut == length)
        stage.come_back()
        assert stage.server.ids() == ([] if cut == length else [message_id])
        stage.ack(message_id, "6-0")
        assert sent.times == 1
        assert sent.value.seq == wire.Seq(6, 0)


def test_a_message_that_comes_back_by_resuming_is_settled_and_not_shown(stage: Stage) -> None:
    sent, other = Outcome(stage.client.send("mine")), Outcome(stage.client.send_private(101, "two"))
    stage.run()
    first, second = stage.server.ids()
    stage.network.last.cut()
    stage.come_back()
    stage.say(
        to_room("before", "6-0"),
        to_room("mine", "6-1", user_id=100, id=first),
        to_room("after", "6-2"),
        to_person("two", "4-0", user_id=100, to=101, id=second),
    )
    assert sent.value == Sent(first, wire.Seq(6, 1), 200)
    assert other.value.seq == wire.Seq(4, 0)
    stage.ack(first, "6-1")
    assert (sent.times, stage.texts) == (1, ["before", "after"])
    assert stage.client.position.rooms["lobby"] == wire.Seq(6, 2)


def test_a_store_out_of_reach_is_waited_for_and_the_order_kept(stage: Stage) -> None:
    outcomes = [Outcome(stage.client.send(f"{n}")) for n in range(3)]
    stage.run()
    ids = stage.server.ids()
    stage.say(*(wire.AckMes(message_id, 505) for message_id in ids))
    assert stage.server.ids() == ids
    stage.run(0.31)
    assert stage.server.ids() == ids * 2
    stage.say(*(wire.AckMes(message_id, 505) for message_id in ids))
    stage.run(0.35)
    assert stage.server.ids() == ids * 2
    stage.run(0.3)
    assert stage.server.ids() == ids * 3
    for n, message_id in enumerate(ids):
        stage.ack(message_id, f"6-{n}")
    assert [outcome.value.seq.n for outcome in outcomes] == [0, 1, 2]


def test_what_is_sent_while_the_store_is_out_of_reach_waits_its_turn(stage: Stage) -> None:
    Outcome(stage.client.send("first"))
    stage.run()
    stage.say(wire.AckMes(stage.server.ids()[0], 505))
    Outcome(stage.client.send("second"))
    stage.run()
    assert len(stage.server.ids()) == 1
    stage.run(0.35)
    assert [text.content for text in stage.server.all(wire.SmsMes)][1:] == ["first", "second"]


def test_a_new_connection_ends_the_wait_for_a_store_but_not_one_that_was_asked_for(
    stage: Stage,
) -> None:
    Outcome(stage.client.send("first"))
    stage.run()
    message_id = stage.server.ids()[0]
    for _ in range(4):
        stage.say(wire.AckMes(message_id, 505))
        stage.run(1.3)
    assert stage.server.ids() == [message_id] * 4
    stage.network.last.cut()
    stage.come_back()
    assert stage.server.ids() == [message_id]
    stage.say(wire.ErrorMes(429, "slow down", id=message_id, retry_after=5))
    stage.network.last.cut()
    stage.come_back()
    assert stage.server.ids() == []
    stage.run(5)
    assert stage.server.ids() == [message_id]


def test_too_fast_is_tried_again_when_the_server_said(stage: Stage) -> None:
    first, second = Outcome(stage.client.send("one")), Outcome(stage.client.send("two"))
    stage.run()
    ids = stage.server.ids()
    stage.say(wire.ErrorMes(429, "slow down", id=ids[0], retry_after=3))
    stage.say(wire.ErrorMes(429, "slow down", id=ids[1], retry_after=2))
    stage.run(2.9)
    assert stage.server.ids() == ids
    stage.run(0.2)
    assert stage.server.ids() == [*ids, ids[0]]
    stage.run(1)
    assert stage.server.ids() == ids * 2
    stage.ack(ids[0], "6-0")
    stage.ack(ids[1], "6-1")
    assert (first.value.seq, second.value.seq) == (wire.Seq(6, 0), wire.Seq(6, 1))


def test_too_fast_after_a_store_out_of_reach_waits_the_longer_time(stage: Stage) -> None:
    Outcome(stage.client.send("one"))
    Outcome(stage.client.send("two"))
    stage.run()
    ids = stage.server.ids()
    stage.say(wire.AckMes(ids[0], 505), wire.ErrorMes(429, "", id=ids[1], retry_after=1))
    stage.run(0.9)
    assert stage.server.ids() == ids
    stage.run(0.2)
    assert stage.server.ids() == [*ids, ids[0]]


def test_the_wait_in_an_acknowledgement_counts(stage: Stage) -> None:
    Outcome(stage.client.send("one"))
    stage.run()
    ids = stage.server.ids()
    stage.say(wire.AckMes(ids[0], 429, retry_after=7))
    stage.run(6.9)
    assert stage.server.ids() == ids
    stage.run(0.2)
    assert stage.server.ids() == ids * 2


class Limited:
    """Answers messages as a server that takes some at once, and then so many a second."""

    def __init__(self, stage: Stage, burst: int, rate: float) -> None:
        self.stage, self.rate, self.burst = stage, rate, burst
        self.tokens, self.at, self.until = float(burst), 0.0, 0.0
        self.taken: list[str] = []
        self.refused = 0
        self._seen = 0

    def answers(self) -> None:
        for text in self.stage.server.all(wire.Text)[self._seen :]:
            self._seen += 1
            now = self.stage.clock.seconds()
            self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
            self.at = now
            if now < self.until or self.tokens < 1:
                self.until = max(self.until, now + 1)
                self.refused += 1
                self.stage.say(wire.AckMes(str(text.id), 429, retry_after=1))
            else:
                self.tokens -= 1
                self.taken.append(text.content)
                self.stage.say(wire.AckMes(str(text.id), 200, f"9-{len(self.taken)}"))


@pytest.mark.parametrize("rate", [2, 5, 50])
def test_a_flood_gets_through_in_order_and_soon_at_the_rate_of_the_server(
    stage: Stage, rate: int
) -> None:
    texts = [f"{n}" for n in range(300)]
    outcomes = [Outcome(stage.client.send(text)) for text in texts]
    server = Limited(stage, 20, rate)
    stage.run()
    server.answers()
    first_wave = server.refused
    assert first_wave == 80, "the window, all at once"
    begin = stage.clock.seconds()
    while len(server.taken) < len(texts):
        stage.run(0.05)
        server.answers()
    assert server.taken == texts
    assert all(outcome.value.code == 200 for outcome in outcomes)
    took = stage.clock.seconds() - begin
    assert took < 3 * 280 / rate
    assert server.refused - first_wave < 0.1 * len(texts)


def test_after_a_quiet_minute_the_pace_is_free_again(stage: Stage) -> None:
    Outcome(stage.client.send("one"))
    stage.run()
    [name] = stage.server.ids()
    stage.say(wire.AckMes(name, 429, retry_after=1))
    stage.run(1.1)
    stage.ack(name, "9-1")
    stage.run(61)
    for number in range(50):
        stage.client.send(f"{number}").addErrback(lambda _: None)
    stage.run()
    assert len(stage.server.ids()) == 52


def test_a_time_limit_leaves_the_outcome_open_and_says_so(stage: Stage) -> None:
    sent = Outcome(stage.client.send("hello", timeout=3))
    stage.run(2.9)
    assert not sent.done
    stage.run(0.2)
    assert isinstance(sent.error, Unconfirmed)
    stage.ack(stage.server.ids()[0], "6-0")
    assert (sent.times, stage.client.unsettled) == (1, 0)
    assert stage.client.position.rooms["lobby"] == wire.Seq(6, 0)


def test_a_time_limit_that_is_kept_leaves_nothing_behind(stage: Stage) -> None:
    sent = Outcome(stage.client.send("hello", timeout=3))
    stage.run()
    stage.ack(stage.server.ids()[0], "6-0")
    stage.run(5)
    assert (sent.times, sent.error) == (1, None)


def test_what_was_given_up_is_not_sent_again(stage: Stage) -> None:
    deferred = stage.client.send("never mind")
    given_up, kept = Outcome(deferred), Outcome(stage.client.send("this one"))
    stage.run()
    ids = stage.server.ids()
    deferred.cancel()
    assert isinstance(given_up.error, CancelledError)
    stage.network.last.cut()
    stage.come_back()
    assert stage.server.ids() == ids[1:]
    stage.ack(ids[1], "6-0")
    assert kept.value is not None


def test_what_was_given_up_and_then_refused_for_now_is_not_sent_again(stage: Stage) -> None:
    deferred = stage.client.send("never mind")
    Outcome(deferred)
    stage.run()
    deferred.cancel()
    stage.say(wire.AckMes(stage.server.ids()[0], 505))
    stage.run(5)
    assert len(stage.server.ids()) == 1
    assert stage.client.unsettled == 0


def test_what_was_given_up_before_its_turn_is_never_sent(stage: Stage) -> None:
    deferreds = [stage.client.send(f"{n}") for n in range(WINDOW + 2)]
    outcomes = [Outcome(deferred) for deferred in deferreds]
    stage.run()
    deferreds[WINDOW].cancel()
    for message_id in stage.server.ids():
        stage.ack(message_id, "6-0")
    assert stage.server.last(wire.SmsMes).content == f"{WINDOW + 1}"
    assert len(stage.server.ids()) == WINDOW + 1
    assert outcomes[WINDOW].times == 1


def test_everything_unsettled_fails_when_the_client_is_closed(stage: Stage) -> None:
    sent, deferred = Outcome(stage.client.send("hello")), stage.client.send("given up")
    Outcome(deferred)
    stage.run()
    deferred.cancel()
    stage.say(wire.AckMes(stage.server.ids()[0], 505))
    closed = Outcome(stage.client.close(timeout=1))
    late = Outcome(stage.client.send("too late"))
    assert str(late.error) == "closing"
    stage.run(0.9)
    assert not sent.done
    stage.run(0.2)
    assert isinstance(sent.error, NotConnected)
    assert (sent.times, closed.times) == (1, 1)
    assert stage.clock.getDelayedCalls() == []


def test_a_server_that_answers_pings_but_not_messages_is_not_believed_for_long(
    stage: Stage,
) -> None:
    sent = Outcome(stage.client.send("hello"))
    stage.run(15)
    stage.say(to_room("it still delivers", "6-0"))
    stage.run(15)
    assert len(stage.servers) == 1
    stage.run(5.2)
    assert stage.client.why == "the server does not acknowledge what is sent"
    stage.come_back()
    stage.ack(stage.server.ids()[0], "6-1")
    assert sent.value is not None
    stage.run(40)
    assert len(stage.servers) == 2


def test_a_message_may_be_sent_again_under_the_id_of_an_earlier_run(stage: Stage) -> None:
    first = Outcome(stage.client.send("hello", message_id="a-name-of-my-own"))
    second = Outcome(stage.client.send("hello", message_id="a-name-of-my-own"))
    stage.run()
    assert stage.server.ids() == ["a-name-of-my-own"]
    assert isinstance(second.error, SendRefused)
    stage.ack("a-name-of-my-own", "2-0")
    assert first.value.seq == wire.Seq(2, 0)
    assert stage.client.position.rooms["lobby"] == wire.Seq(5, 0)


@pytest.mark.parametrize(
    ("content", "room", "code"),
    [
        ("a\x00b", "lobby", 400),
        ("\ud800", "lobby", 400),
        ("x" * (wire.MAX_CONTENT + 1), "lobby", 413),
        ("hello", "No Such Name", 400),
    ],
)
def test_what_the_protocol_does_not_allow_is_refused_without_asking(
    stage: Stage, content: str, room: str, code: int
) -> None:
    refused = Outcome(stage.client.send(content, room))
    assert isinstance(refused.error, SendRefused)
    assert refused.error.code == code
    stage.run()
    assert stage.server.ids() == []


def test_a_user_id_that_can_not_be_is_refused_without_asking(stage: Stage) -> None:
    assert isinstance(Outcome(stage.client.send_private(0, "hello")).error, SendRefused)


def test_the_longest_message_in_the_costliest_characters_goes_out(stage: Stage) -> None:
    Outcome(stage.client.send("\x01" * wire.MAX_CONTENT))
    stage.run()
    assert len(stage.server.last(wire.SmsMes).content) == wire.MAX_CONTENT


def test_nobody_logged_in_means_nothing_is_sent() -> None:
    stage = Stage()
    stage.connect()
    assert str(Outcome(stage.client.send("hello")).error) == "nobody is logged in"
    stage.network.last.cut()
    assert str(Outcome(stage.client.send("hello")).error) == "the connection was lost"


def test_answers_to_what_was_never_sent_are_left_alone(stage: Stage) -> None:
    stage.ack("unknown", "9-0")
    stage.say(wire.AckMes("unknown", 404), wire.ErrorMes(429, "", id="unknown", retry_after=60))
    Outcome(stage.client.send("hello"))
    stage.run()
    assert len(stage.server.ids()) == 1
    assert stage.client.position.rooms["lobby"] == wire.Seq(5, 0)


def test_sending_from_within_an_outcome_keeps_the_order(stage: Stage) -> None:
    def send_more(_: object) -> None:
        Outcome(stage.client.send("three"))

    stage.client.send("one").addCallback(send_more)
    Outcome(stage.client.send("two"))
    stage.run()
    stage.ack(stage.server.ids()[0], "6-0")
    assert [text.content for text in stage.server.all(wire.SmsMes)] == ["one", "two", "three"]


def test_one_failure_may_give_up_another_message() -> None:
    stage = Stage(reconnect=False)
    stage.log_in()
    first, second = stage.client.send("one"), stage.client.send("two")
    first.addErrback(lambda _: second.cancel())
    given_up = Outcome(second)
    stage.network.last.cut()
    assert (given_up.times, type(given_up.error)) == (1, CancelledError)
