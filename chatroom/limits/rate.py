"""How fast a client may send: token buckets, and who goes on sending when told to wait. No I/O."""

from __future__ import annotations

from math import ceil, inf

from chatroom.protocol.messages import MAX_FRAME

#: Frames that a client may have refused without a pause in between. A client that keeps to the
#: protocol has at most 100 on their way when it is told to wait, so this is five times that.
MOST_REFUSED = 500
#: Seconds that it may go on being refused without a pause in between.
LONGEST = 30.0
#: Seconds of silence that count as a pause. Who waits as it is told is silent for at least a
#: second; half of that leaves room for clocks and networks.
PAUSE = 0.5
#: Seconds that the clock of one session may be behind another's of the same account; with more
#: than that the clock was set back.
STALE = 60.0


class Bucket:
    """A token bucket as one number: when it will be full again if nothing more is taken."""

    __slots__ = ("full_at",)

    def __init__(self) -> None:
        self.full_at = 0.0


class RateLimits:
    """What the sessions of a node may send, and the buckets of its accounts. 0: no limit.

    All sessions of one account share a bucket: more connections are not more messages.

    :param message_burst: frames that may come at once.
    :param message_rate: frames a second from then on.
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
        # a limit nothing is taken. The little more is for what rounding takes away.
        limited = bool(message_burst and message_rate)
        self.frame_cost = 1 / message_rate if limited else 0.0
        self.frame_span = (message_burst + 0.01) / message_rate if limited else inf
        self.byte_cost = 1 / byte_rate if byte_rate else 0.0
        self.byte_span = (max(4 * byte_rate, max_frame) + 1) / byte_rate if byte_rate else inf
        self._accounts: dict[int, Bucket] = {}
        self._left: set[int] = set()

    def bucket_of(self, user_id: int) -> Bucket:
        """The bucket that all sessions of an account share; 0: one of a guest's own."""
        if not user_id:
            return Bucket()
        self._left.discard(user_id)
        return self._accounts.setdefault(user_id, Bucket())

    def left(self, user_id: int) -> None:
        """The last session of an account went: its bucket is forgotten as soon as it is full."""
        if user_id in self._accounts:
            self._left.add(user_id)

    def sweep(self, now: float) -> None:
        """Forget the buckets that nobody needs."""
        for user_id in [one for one in self._left if self._accounts[one].full_at <= now]:
            self._left.remove(user_id)
            del self._accounts[user_id]


class _Refusing:
    """A client was told to wait."""

    __slots__ = ("count", "everything", "first", "just_told", "last", "until")

    def __init__(self, now: float) -> None:
        #: When it was refused first since it last paused, and when something last came.
        self.first = self.last = now
        self.until = 0.0
        #: Whether all it sends is refused, or only what costs.
        self.everything = False
        #: Whether nothing was refused since it was told so.
        self.just_told = True
        #: Frames that were refused since it last paused.
        self.count = 0


class RateLimiter:
    """One session's share of the limits.

    There is one for each session, so it is small: a bucket only once something costs.
    """

    __slots__ = ("_bucket", "_bytes_full_at", "_refusing")

    def __init__(self) -> None:
        self._bucket: Bucket | None = None
        self._bytes_full_at = 0.0
        self._refusing: _Refusing | None = None

    def logged_in(self) -> None:
        """From here on the account's bucket counts."""
        self._bucket = None
        self._refusing = None

    def wait(self, limits: RateLimits, now: float, size: int, costs: bool, user_id: int) -> int:
        """Take a frame into account: 0, or the seconds after which it may be sent again.

        Once a client was told to wait, all that it sends until then is refused, so that what was
        on its way behind a refused message does not get ahead of it.

        :param now: when the frame came.
        :param size: its length in bytes.
        :param costs: whether it takes from the frames, too.
        :param user_id: whose frames; 0: it has not logged in.
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
            # More than empty it can only be where the clock was set back.
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
        """Whether the last refusal began a wait; those after it only say so again."""
        return self._refusing is not None and self._refusing.just_told

    @property
    def ignores(self) -> bool:
        """Whether the client has been told to wait for long, and goes on all the same."""
        refusing = self._refusing
        return refusing is not None and (
            refusing.count > MOST_REFUSED or refusing.last - refusing.first > LONGEST
        )

    def _refuse(self, now: float, seconds: float, *, everything: bool) -> int:
        refusing = self._refusing
        if refusing is None:
            refusing = self._refusing = _Refusing(now)
        refusing.everything, refusing.just_told = everything, True
        # A little less than it is told: clocks round, and who waits as told must get through.
        refusing.until = now + max(1, ceil(min(seconds, STALE))) - 0.01
        return self._again(refusing, now)

    def _again(self, refusing: _Refusing, now: float) -> int:
        if now < refusing.last:
            # The clock was set back: begin anew.
            refusing.first, refusing.until = now, now + 1
        refusing.last = now
        refusing.count += 1
        return max(1, ceil(refusing.until - now))
