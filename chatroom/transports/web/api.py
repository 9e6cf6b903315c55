"""The page's API over HTTP: register, log in, stay logged in, log out.

Only these can set a cookie, which a WebSocket can't. Everything else goes over the WebSocket.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from twisted.internet.defer import Deferred
from twisted.web import http

from chatroom.accounts.accounts import Login
from chatroom.node.node import Node
from chatroom.protocol import messages as wire, refusals
from chatroom.protocol.display_names import BadName
from chatroom.protocol.messages import Code
from chatroom.protocol.refusals import Refusal, Refused
from chatroom.sessions import replies
from chatroom.transports.web import cookie
from chatroom.transports.web.request import Request

_JSON = "application/json"


class Credentials(wire.Message):
    """The fields of `LoginMes` for a login by password."""

    user_id: wire.UserId
    user_pwd: str

    def __post_init__(self) -> None:
        wire.check_password(self.user_pwd)


class Nothing(wire.Message):
    """An empty object."""


class Answer(wire.Message, omit_defaults=True):
    """The answer to every request; ``code`` is one of `Code`."""

    code: int = 0
    error: str | UnsetType = UNSET
    user_id: int | UnsetType = UNSET
    user_name: str | UnsetType = UNSET
    #: Seconds.
    retry_after: int | UnsetType = UNSET
    #: Of a ban; in milliseconds since 1970, UTC, 0: for good.
    until: int | UnsetType = UNSET
    #: What is wrong, in one word; and for a text that is too short, its least number of characters.
    reason: str | UnsetType = UNSET
    least: int | UnsetType = UNSET
    #: What the operator wrote about it.
    note: str | UnsetType = UNSET


Cookie = bytes | None
Running = Coroutine[Deferred[Any], Any, tuple[Answer, Cookie]]


class Api:
    """Answers the page's requests, as a session answers messages."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._accounts = node.accounts
        self._requests: dict[str, tuple[Callable[[Request, Any], Running], type[wire.Message]]] = {
            "register": (self._register, wire.RegisterMes),
            "login": (self._log_in, Credentials),
            "session": (self._session, Nothing),
            "logout": (self._log_out, Nothing),
        }

    def handle(self, request: Request, name: str) -> None:
        """Answer a request for ``/api/NAME``, at once or later."""
        if name not in self._requests:
            request.refuse(http.NOT_FOUND)
        elif request.method != b"POST":
            request.refuse(http.NOT_ALLOWED, more=[(b"Allow", b"POST")])
        elif not request.has_our_origin():
            request.refuse(http.FORBIDDEN, "this can be asked for by the page only")
        elif request.header("Content-Type").partition(";")[0].strip().lower() != _JSON:
            request.refuse(http.UNSUPPORTED_MEDIA_TYPE, f"send {_JSON}")
        else:
            answering = Deferred.fromCoroutine(self._answer(request, name))
            # A client that is gone leaves the login queue.
            request.notifyFinish().addErrback(lambda _: answering.cancel())
            answering.addErrback(request.failed)

    async def _answer(self, request: Request, name: str) -> None:
        run, kind = self._requests[name]
        set_cookie: Cookie = None
        try:
            if name != "logout":
                self._node.check_address(request.address)
            message = msgspec.json.decode(request.body, type=kind)
            answer, set_cookie = await run(request, message)
        except Refused as refused:
            answer = _refusal(refused.refusal, name)
        except msgspec.ValidationError as error:
            refusal = refusals.malformed(str(error))
            if isinstance(error.__cause__, BadName):
                refusal = refusal._replace(reason=error.__cause__.reason)
            answer = _refusal(refusal, name)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            request.refuse(http.BAD_REQUEST, "the body is no JSON")
            return
        more = [(b"Cache-Control", b"no-store")]
        if set_cookie is not None:
            more.append((b"Set-Cookie", set_cookie))
        request.answer(http.OK, msgspec.json.encode(answer), _JSON, more)

    async def _register(self, request: Request, message: wire.RegisterMes) -> tuple[Answer, Cookie]:
        invite = message.invite or ""
        await self._accounts.register(message.user, request.address, invite)
        return Answer(code=Code.OK), None

    async def _log_in(self, request: Request, message: Credentials) -> tuple[Answer, Cookie]:
        login = await self._accounts.log_in(
            message.user_id, message.user_pwd, address=request.address, wants_token=True
        )
        return _logged_in(login, request)

    async def _session(self, request: Request, _: Nothing) -> tuple[Answer, Cookie]:
        clear = cookie.clearing(secure=request.secure)
        mine = request.cookie
        if mine is None:
            return Answer(code=Code.NOT_LOGGED_IN), clear
        try:
            login = await self._accounts.log_in(
                mine.user_id, "", mine.token, address=request.address, wants_token=True
            )
        except Refused as refused:
            if refused.refusal in (refusals.WRONG_TOKEN, refusals.NO_SUCH_USER):
                return Answer(code=Code.NOT_LOGGED_IN), clear
            raise
        # Another tab's session has to keep, or to void, the right token.
        for session in self._node.sessions.by_token(mine.user_id, mine.token):
            session.token_replaced(login.token)
        return _logged_in(login, request)

    async def _log_out(self, request: Request, _: Nothing) -> tuple[Answer, Cookie]:
        mine = request.cookie
        if mine is not None:
            await self._accounts.tokens.forget(mine.token)
            for session in self._node.sessions.by_token(mine.user_id, mine.token):
                session.close()
        return Answer(code=Code.OK), cookie.clearing(secure=request.secure)


def _logged_in(login: Login, request: Request) -> tuple[Answer, Cookie]:
    account = login.account
    return (
        Answer(code=Code.OK, user_id=account.user_id, user_name=account.name),
        cookie.setting(account.user_id, login.token, secure=request.secure),
    )


def _refusal(refusal: Refusal, name: str) -> Answer:
    """The refusal as over TCP before a login: the page has words of its own for each code."""
    fields = replies.fields(refusal, dialect=0)
    if name == "register":
        fields["error"] = refusal.zh
        if refusal.code == Code.MALFORMED:
            fields["code"] = Code.REGISTER_FAILED
    return Answer(**fields, least=refusal.least or UNSET)
