"""Token buckets: what is taken, when, and who is found not to listen."""

from __future__ import annotations

import pytest

from chatroom.limits.rate import LONGEST, MOST_REFUSED, RateLimiter, RateLimits

BURST, RATE = 20, 5


class Sender:
    """A session of a user that sends frames at times of its own."""

    def __init__(self, limits: RateLimits, user_id: int = 1, now: float = 1e9) -> None:
        self.limits, self.user_id, self.now = limits, user_id, now
        self.rate_limiter = RateLimiter()

    def sends(self, size: int = 100, *, costs: bool = True) -> int:
        """The seconds that it is told to wait."""
        return self.rate_limiter.wait(self.limits, self.now, size, costs, self.user_id)

    def gets_through(self, frames: int, size: int = 100) -> int:
        """How many of so many frames at once are taken."""
        return sum(not self.sends(size) for _ in range(frames))


@pytest.fixture
def limits() -> RateLimits:
    return RateLimits(message_burst=BURST, message_rate=RATE)


@pytest.mark.parametrize("now", [0.0, 12.3, 1.8e9])
def test_a_burst_is_taken_and_then_the_rate(limits: RateLimits, now: float) -> None:
    sender = Sender(limits, now=now)
    assert sender.gets_through(100) == BURST
    sender.now += 1
    assert sender.gets_through(100) == RATE
    sender.now += 1000
    assert sender.gets_through(100) == BURST


def test_who_keeps_to_the_rate_is_never_refused(limits: RateLimits) -> None:
    sender = Sender(limits)
    for _ in range(1000):
        assert not sender.sends()
        sender.now += 1 / RATE


def test_who_was_told_to_wait_is_refused_until_then_and_taken_after(limits: RateLimits) -> None:
    sender = Sender(limits)
    sender.gets_through(BURST)
    wait = sender.sends()
    sender.now += wait - 0.1
    assert sender.sends() == 1, "there is room by now, but what was refused must come first"
    sender.now += 0.1
    assert not sender.sends()


def test_what_costs_nothing_is_taken_all_the_same(limits: RateLimits) -> None:
    sender = Sender(limits)
    sender.gets_through(BURST + 1)
    assert not sender.sends(costs=False)


def test_slow_rates_say_how_long_it_takes() -> None:
    limits = RateLimits(message_burst=1, message_rate=1, byte_rate=10, max_frame=1000)
    sender = Sender(limits)
    assert sender.gets_through(1) == 1
    assert sender.sends(size=1) == 1
    quiet = Sender(limits, user_id=2)
    assert quiet.gets_through(1, size=1000) == 1
    assert quiet.sends(size=150) == 15


def test_all_sessions_of_an_account_share_and_others_do_not(limits: RateLimits) -> None:
    one, two, other = Sender(limits), Sender(limits), Sender(limits, user_id=2)
    assert one.gets_through(15) + two.gets_through(15) == BURST
    assert other.gets_through(100) == BURST


def test_each_guest_is_counted_alone(limits: RateLimits) -> None:
    assert [Sender(limits, user_id=0).gets_through(100) for _ in range(3)] == [BURST] * 3


def test_who_logs_in_begins_with_the_bucket_of_the_account(limits: RateLimits) -> None:
    sender = Sender(limits, user_id=0)
    sender.gets_through(BURST + 1)
    sender.rate_limiter.logged_in()
    sender.user_id = 1
    assert sender.gets_through(100) == BURST


def test_bytes_are_bounded_whatever_they_are() -> None:
    sender = Sender(RateLimits(byte_rate=1000, max_frame=1000))
    assert sum(not sender.sends(size=400, costs=False) for _ in range(100)) == 10
    assert sender.sends(size=1, costs=False), "told to wait, whatever it sends"
    sender.now += 1
    assert sender.gets_through(100, size=100) == 10


def test_a_frame_of_the_greatest_length_is_taken_whatever_the_rate() -> None:
    sender = Sender(RateLimits(byte_rate=1, max_frame=65536))
    assert not sender.sends(size=65536)


@pytest.mark.parametrize("off", ["message_burst", "message_rate", "all"])
def test_zero_is_no_limit(off: str) -> None:
    given = {"message_burst": BURST, "message_rate": RATE, "byte_rate": 0}
    sender = Sender(RateLimits() if off == "all" else RateLimits(**given | {off: 0}))
    assert sender.gets_through(10_000, size=60_000) == 10_000


def test_who_pauses_as_told_can_go_on_for_ever(limits: RateLimits) -> None:
    """A window of 100, refused again and again, and a wait each time."""
    sender = Sender(limits)
    for _ in range(1000):
        assert sender.gets_through(100) >= RATE
        assert not sender.rate_limiter.ignores
        sender.now += 1


def test_who_sends_hundreds_of_frames_without_a_pause_does_not_listen(limits: RateLimits) -> None:
    sender = Sender(limits)
    refused = 0
    while not sender.rate_limiter.ignores:
        refused += bool(sender.sends())
        sender.now += 0.01
    assert refused == MOST_REFUSED + 1


def test_who_is_a_little_too_fast_for_long_does_not_listen(limits: RateLimits) -> None:
    sender = Sender(limits)
    begin = sender.now
    while not sender.rate_limiter.ignores:
        sender.sends()
        sender.now += 0.9 / RATE
    assert LONGEST <= sender.now - begin < 3 * LONGEST


def test_only_the_refusal_that_begins_a_wait_is_news(limits: RateLimits) -> None:
    sender = Sender(limits)
    sender.gets_through(BURST)
    news = []
    for _ in range(24):
        news += [bool(sender.sends()) and sender.rate_limiter.just_told for _ in range(10)]
        sender.now += 0.125
    assert sum(news) == 3


def test_a_bucket_is_forgotten_when_it_is_full_and_nobody_is_there(limits: RateLimits) -> None:
    sender = Sender(limits)
    sender.gets_through(BURST)
    bucket = limits.bucket_of(1)
    limits.sweep(sender.now + 1000)
    assert limits.bucket_of(1) is bucket, "its user is still there"
    limits.left(1)
    limits.left(2)
    limits.sweep(sender.now + 3)
    assert limits.bucket_of(1) is bucket, "else to leave and come back would be a new burst"
    limits.left(1)
    limits.sweep(sender.now + 4.1)
    assert limits.bucket_of(1) is not bucket


def test_who_comes_back_soon_finds_the_bucket_as_it_was(limits: RateLimits) -> None:
    Sender(limits).gets_through(BURST)
    limits.left(1)
    again = Sender(limits)
    assert again.gets_through(100) == 0
    bucket = limits.bucket_of(1)
    limits.sweep(again.now + 1000)
    assert limits.bucket_of(1) is bucket


def test_a_clock_that_is_set_back_shuts_nobody_out(limits: RateLimits) -> None:
    limits = RateLimits(message_burst=BURST, message_rate=RATE, byte_rate=1000, max_frame=1000)
    talking, told = Sender(limits), Sender(limits, user_id=2)
    talking.gets_through(10)
    told.gets_through(BURST + 1)
    for sender in (talking, told):
        sender.now -= 3600
        waited = 0
        while wait := sender.sends():
            sender.now += wait
            waited += wait
        assert waited <= 10
