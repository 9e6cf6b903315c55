"""Rate limits: token buckets, and clients that go on sending when told to wait. No I/O."""

from __future__ import annotations

from math import ceil, inf

from chatroom.protocol.messages import MAX_FRAME

#: Refused frames without a pause in between before a client counts as a flood. One that keeps to
#: the protocol has at most 100 on their way when it is told to wait, so this is five times that.
MOST_REFUSED = 500
#: Seconds of refusals without a pause in between before a client counts as a flood.
LONGEST = 30.0
#: Seconds of silence that count as a pause. A client that waits as told is silent for at least a
#: second; half of that allows for clocks and networks.
PAUSE = 0.5
#: Seconds by which the clocks of two sessions of an account may differ; if they differ by more, the
#: clock was set back.
STALE = 60.0


class Bucket:
    """A token bucket as one number: when it will be full again if nothing more is taken."""

    __slots__ = ("full_at",)

    def __init__(self) -> None:
        self.full_at = 0.0


class RateLimits:
    """A node's rate limits, and the buckets of its accounts. 0: no limit.

    All sessions of an account share a bucket, so more connections don't allow more messages.

    :param message_burst: frames that an account may send at once.
    :param message_rate: frames a second after that.
    :param byte_rate: bytes a second of one session; four times as many may come at once, and at
        least one frame of ``max_frame`` bytes.
    """

    def __init__(
        self,
        *,
        message_burst: int = 0,
        message_rate: int = 0,
        byte_rate: int = 0,
        max_frame: int = MAX_FRAME,
    ) -> None:
        # In seconds: what one frame or byte takes from a bucket, and what a full one holds. Without
        # a limit nothing is taken. A little is added for what rounding takes away.
        limited = bool(message_burst and message_rate)
        self.frame_cost = 1 / message_rate if limited else 0.0
        self.frame_span = (message_burst + 0.01) / message_rate if limited else inf
        self.byte_cost = 1 / byte_rate if byte_rate else 0.0
        self.byte_span = (max(4 * byte_rate, max_frame) + 1) / byte_rate if byte_rate else inf
        self._accounts: dict[int, Bucket] = {}
        self._left: set[int] = set()

    def bucket_of(self, user_id: int) -> Bucket:
        """The bucket of all sessions of an account; for 0, a guest, a new one."""
        if not user_id:
            return Bucket()
        self._left.discard(user_id)
        return self._accounts.setdefault(user_id, Bucket())

    def left(self, user_id: int) -> None:
        """The account's last session has ended: its bucket is forgotten once it is full."""
        if user_id in self._accounts:
            self._left.add(user_id)

    def sweep(self, now: float) -> None:
        """Forget the full buckets of accounts without a session."""
        for user_id in [one for one in self._left if self._accounts[one].full_at <= now]:
            self._left.remove(user_id)
            del self._accounts[user_id]


class _Refusing:
    """The state of a client that was told to wait."""

    __slots__ = ("count", "everything", "first", "just_told", "last", "until")

    def __init__(self, now: float) -> None:
        #: When it was first refused since its last pause, and when its last frame came.
        self.first = self.last = now
        self.until = 0.0
        #: Whether every frame is refused, or only those that cost.
        self.everything = False
        #: Whether no further frame was refused since.
        self.just_told = True
        #: Frames refused since its last pause.
        self.count = 0


class RateLimiter:
    """Applies the limits to one session.

    There is one for each session, so it is small: it gets a bucket only when a frame costs.
    """

    __slots__ = ("_bucket", "_bytes_full_at", "_refusing")

    def __init__(self) -> None:
        self._bucket: Bucket | None = None
        self._bytes_full_at = 0.0
        self._refusing: _Refusing | None = None

    def logged_in(self) -> None:
        """Use the account's bucket from now on."""
        self._bucket = None
        self._refusing = None

    def wait(self, limits: RateLimits, now: float, size: int, costs: bool, user_id: int) -> int:
        """Count a frame: 0 if it is allowed, else the seconds to wait before sending it again.

        Once a client was told to wait, all that it sends until then is refused, so that no message
        that was on its way already gets ahead of a refused one.

        :param now: when the frame came.
        :param size: its length in bytes.
        :param costs: whether it counts as a message, too.
        :param user_id: who sent it; 0: a client that has not logged in.
        """
        refusing = self._refusing
        if refusing is not None and (costs or refusing.everything):
            if now < refusing.until:
                refusing.just_told = False
                return self._again(refusing, now)
            if now - refusing.last >= PAUSE:
                self._refusing = None
            else:
                refusing.last = now
        bytes_full_at = self._bytes_full_at
        if bytes_full_at < now:
            bytes_full_at = now
        bytes_full_at += size * limits.byte_cost
        if bytes_full_at - now > limits.byte_span:
            # It can be more than empty only if the clock was set back.
            empty = now + limits.byte_span
            self._bytes_full_at = min(self._bytes_full_at, empty)
            bytes_full_at = min(bytes_full_at, empty + size * limits.byte_cost)
            return self._refuse(now, bytes_full_at - empty, everything=True)
        if costs:
            bucket = self._bucket
            if bucket is None:
                bucket = self._bucket = limits.bucket_of(user_id)
            full_at = bucket.full_at
            if full_at < now:
                full_at = now
            full_at += limits.frame_cost
            if full_at - now > limits.frame_span:
                if full_at - now > limits.frame_span + STALE:
                    bucket.full_at = full_at = now + limits.frame_span
                return self._refuse(now, full_at - now - limits.frame_span, everything=False)
            bucket.full_at = full_at
        self._bytes_full_at = bytes_full_at
        return 0

    @property
    def just_told(self) -> bool:
        """Whether the last refusal began a wait; later ones only repeat it."""
        return self._refusing is not None and self._refusing.just_told

    @property
    def ignores(self) -> bool:
        """Whether the client has ignored for long that it was told to wait."""
        refusing = self._refusing
        return refusing is not None and (
            refusing.count > MOST_REFUSED or refusing.last - refusing.first > LONGEST
        )

    def _refuse(self, now: float, seconds: float, *, everything: bool) -> int:
        refusing = self._refusing
        if refusing is None:
            refusing = self._refusing = _Refusing(now)
        refusing.everything, refusing.just_told = everything, True
        # A little less than it is told: clocks round, and a client that waits as told must succeed.
        refusing.until = now + max(1, ceil(min(seconds, STALE))) - 0.01
        return self._again(refusing, now)

    def _again(self, refusing: _Refusing, now: float) -> int:
        if now < refusing.last:
            # The clock was set back: begin anew.
            refusing.first, refusing.until = now, now + 1
        refusing.last = now
        refusing.count += 1
        return max(1, ceil(refusing.until - now))
