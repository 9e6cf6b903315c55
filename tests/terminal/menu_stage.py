"""A client and a screen of the tests' own, for the dialogue alone."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import Any, cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from chatroom.client.base.errors import NotConnected
from chatroom.client.base.model import History, Incoming, Login, Sent, State
from chatroom.client.chat_client import ChatClient
from chatroom.client.connection.trust import Trust
from chatroom.protocol.messages import Person, Seq, UsersResMes
from chatroom.terminal import texts
from chatroom.terminal.menus import Menus
from chatroom.terminal.screen import EndOfInput, Question, Style
from chatroom.terminal.wording import Wording

TOM, MING = Person(100, "Tom", 0), Person(101, "小明", 2)


def message(number: int, content: str = "hello", **other: Any) -> Incoming:
    """A message of user 101 to the room."""
    values: dict[str, Any] = {
        "kind": "room",
        "room": "lobby",
        "peer": None,
        "user_id": 101,
        "name": "小明",
        "content": content,
        "seq": Seq(number, 0),
        "sent_at": datetime.fromtimestamp(1_700_000_000 + number, UTC),
        "id": None,
        "own": False,
    }
    return Incoming(**(values | other))


def private(number: int, content: str = "psst", **other: Any) -> Incoming:
    """A message of user 101 to user 100."""
    return message(number, content, **({"kind": "private", "room": None, "peer": 101} | other))


class FakeClient:
    """Answers at once with what it is told to; an exception there is what it fails with."""

    def __init__(self, **callbacks: Any) -> None:
        self.callbacks = callbacks
        self.state = State.OFFLINE
        self.why = "the server is gone"
        self.why_zh = "服务器不在了"
        self.login: Login | None = None
        self.online = {100: TOM}
        self.calls: list[tuple[Any, ...]] = []
        self.answers: dict[str, Any] = {
            "connect": None,
            "register": None,
            "log_in": Login(100, "Tom", "token", [TOM], 1, 0, {}),
            "send": Sent("id", Seq(9, 0), 200),
            "send_private": Sent("id", Seq(9, 0), 200),
            "users_page": UsersResMes([TOM, MING], 2),
            "history": History([], False),
            "set_status": None,
            "change_password": None,
            "log_out": None,
            "close": None,
        }

    def _answer(self, call: str, *arguments: Any) -> Deferred[Any]:
        self.calls.append((call, *arguments))
        answer = self.answers[call]
        if isinstance(answer, Deferred):
            return answer
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)

    def connect(self) -> Deferred[None]:
        done = self._answer("connect")
        refused = isinstance(self.answers["connect"], Exception)
        self.become(State.CONNECTING)
        self.become(State.OFFLINE if refused else State.ONLINE)
        return done

    def register(
        self, user_id: int, password: str, name: str, *, invite: str | None
    ) -> Deferred[None]:
        return self._answer("register", user_id, password, name, *([invite] if invite else []))

    def change_password(self, old: str, new: str) -> Deferred[None]:
        return self._answer("change_password", old, new)

    def log_in(self, user_id: int, password: str) -> Deferred[Login]:
        if isinstance(self.answers["log_in"], Login):
            self.login = self.answers["log_in"]
            self.state = State.ONLINE
        return self._answer("log_in", user_id, password)

    def send(self, content: str, *, timeout: float) -> Deferred[Sent]:
        return self._answer("send", content)

    def send_private(self, to: int, content: str, *, timeout: float) -> Deferred[Sent]:
        return self._answer("send_private", to, content)

    def users_page(self, *, limit: int) -> Deferred[UsersResMes]:
        return self._answer("users_page")

    def history(
        self, *, room: str | None = None, peer: int | None = None, limit: int
    ) -> Deferred[History]:
        return self._answer("history", room or peer)

    def set_status(self, busy: bool) -> Deferred[None]:
        return self._answer("set_status", busy)

    def mark_read(self, peer: int, seq: Seq) -> None:
        self.calls.append(("mark_read", peer, str(seq)))

    def log_out(self, timeout: float) -> Deferred[None]:
        return self._answer("log_out")

    def close(self, timeout: float) -> Deferred[None]:
        return self._answer("close")

    def become(self, state: State) -> None:
        self.state = state
        if state is State.OFFLINE:
            self.login = None
        self.callbacks["on_state"](state)


class FakeScreen:
    """Gives the answers of a list, then waits for `answer`, or ends the input."""

    def __init__(self, answers: list[str | Exception], *, interactive: bool, ends: bool) -> None:
        self.interactive = interactive
        self.answers = deque(answers)
        self.ends = ends
        self.said: list[str] = []
        self.errors: list[str] = []
        self.questions: list[Question] = []
        self.waiting: Deferred[str] | None = None

    def ask(self, question: Question) -> Deferred[str]:
        self.questions.append(question)
        if self.answers:
            answer = self.answers.popleft()
            return succeed(answer) if isinstance(answer, str) else fail(answer)
        if self.ends:
            return fail(EndOfInput())
        self.waiting = Deferred()
        return self.waiting

    def answer(self, text: str) -> None:
        assert self.waiting is not None
        self.waiting.callback(text)

    def show(self, text: str, style: Style = Style.PLAIN) -> None:
        self.said.append(text)

    def error(self, text: str) -> None:
        self.errors.append(text)

    def close(self) -> Deferred[None]:
        return succeed(None)


class Stage:
    """The menus in English between a screen that answers and a client that obeys.

    :param answers: a space stands between two of them.
    :param trust: where a certificate that is accepted is kept.
    :param client: what the client answers, by the name of its method.
    """

    def __init__(
        self,
        answers: str | list[str | Exception],
        *,
        interactive: bool = False,
        ends: bool = True,
        language: str = "en",
        trust: Trust | None = None,
        invite: str | None = None,
        **client: Any,
    ) -> None:
        self.clock = Clock()
        given = [*answers.split(" ")] if isinstance(answers, str) else answers
        self.screen = FakeScreen(cast(Any, given), interactive=interactive, ends=ends)
        self.client = FakeClient()
        self.client.answers |= client

        def make_client(**callbacks: Any) -> ChatClient:
            self.client.callbacks = callbacks
            return cast(ChatClient, self.client)

        wording = Wording(texts.translation(language), UTC)
        menus = Menus(
            *(self.screen, wording, cast(Any, self.clock), "host:1", make_client, trust),
            invite=invite,
        )
        self.status: int | None = None
        self.running = Deferred.fromCoroutine(menus.run())
        self.running.addCallback(self._ended)

    def is_asking(self) -> bool:
        """Whether a question waits for its answer."""
        return self.screen.waiting is not None

    def _ended(self, status: int) -> None:
        self.status = status

    def arrive(self, *messages: Incoming) -> None:
        for each in messages:
            self.client.callbacks["on_text"](each)

    def called(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.client.calls if call[0] == name]

    @property
    def said(self) -> str:
        return "\n".join(self.screen.said)


GONE = NotConnected("connection refused")
