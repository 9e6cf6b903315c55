"""Registering and logging in over HTTP, and the cookie that no script can read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from chatroom.protocol import messages as wire
from chatroom.protocol.messages import Code
from chatroom.store.records import Measure
from chatroom.transports.web import cookie
from chatroom.transports.web.site import Site
from tests.doubles.memory_store import Trouble
from tests.transports.web.browser import ORIGIN, Response, Tab, request_bytes
from tests.world import PASSWORD, World

JSON = {"Content_Type": "application/json", "Origin": ORIGIN}
#: Longer than a token that was replaced goes on working.
LONG = 310


def post(world: World, tab: Tab, name: str, body: object = None, **headers: Any) -> Response:
    """Ask as the page does, and wait for the answer."""
    given = {key.replace("_", "-"): value for key, value in (JSON | headers).items()}
    if tab.cookie:
        given["Cookie"] = tab.cookie
    tab.sends(
        request_bytes(
            "POST", f"/api/{name}", given, json.dumps({} if body is None else body).encode()
        )
    )
    world.settle()
    response = tab.takes_answer()
    assert response["Cache-Control"] == "no-store"
    return response


def log_in(world: World, tab: Tab, user_id: int = 1, **headers: Any) -> Response:
    world.account(user_id)
    credentials = {"userId": user_id, "userPwd": PASSWORD}
    response = post(world, tab, "login", credentials, **headers)
    assert response.json["code"] == Code.OK
    return response


def again(tab: Tab, cookie: str = "") -> Tab:
    """The same browser on a new connection: the old one was closed meanwhile."""
    new = Tab(tab.protocol.factory)
    new.cookie = cookie or tab.cookie
    return new


def attributes(response: Response) -> tuple[str, set[str]]:
    """The cookie's name and its attributes."""
    first, *rest = response["Set-Cookie"].split("; ")
    return first.partition("=")[0], set(rest)


@pytest.fixture
def second(site: Site) -> Tab:
    """Another connection."""
    return Tab(site)


# ---------------------------------------------------------------- register


def user(**more: Any) -> dict[str, Any]:
    return {"user": {"userId": 7, "userPwd": PASSWORD, "userName": "lime"} | more}


def test_who_registers_can_log_in(world: World, tab: Tab) -> None:
    response = post(world, tab, "register", user())
    assert response.json == {"code": 200}
    assert "Set-Cookie" not in response
    response = post(world, tab, "login", {"userId": 7, "userPwd": PASSWORD})
    assert response.json == {"code": 200, "userId": 7, "userName": "lime"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"userPwd": "12"}, "at least 6 characters"),
        ({"userName": "x" * 33}, "userName: 1 to 32 characters"),
        ({"userId": 0}, "userId"),
        ({"userPwd": "x" * 1025}, "at most 1024 bytes"),
    ],
)
def test_a_registration_that_can_not_be_is_told_why(
    world: World, tab: Tab, more: dict[str, Any], said: str
) -> None:
    response = post(world, tab, "register", user(**more))
    assert response.code == 200
    assert response.json["code"] == Code.REGISTER_FAILED
    assert said in response.json["error"]


# ---------------------------------------------------------------- log in


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"userPwd": "short"}, {"reason": "passwordShort", "least": 6}),
        ({"userName": "a\u200bb"}, {"reason": "nameInvisible"}),
        ({"userName": ""}, {"reason": "nameLength"}),
        ({"userName": "a" + "\u0301" * 5}, {"reason": "nameAccents"}),
    ],
)
def test_what_is_wrong_with_a_registration_is_told_in_a_word_for_the_pages_own(
    world: World, tab: Tab, change: dict[str, str], told: dict[str, object]
) -> None:
    user = {"userId": 7, "userPwd": "secret", "userName": "kiwi"} | change
    answer = post(world, tab, "register", {"user": user}).json
    assert {name: answer.get(name) for name in told} == told


def test_a_login_sets_a_cookie_that_no_script_and_no_other_site_can_use(
    world: World, tab: Tab
) -> None:
    response = log_in(world, tab)
    assert response.json == {"code": 200, "userId": 1, "userName": "user 1"}
    name, given = attributes(response)
    assert name == "chatroom"
    assert given == {"Path=/", "Max-Age=2592000", "HttpOnly", "SameSite=Strict"}
    user_id, _, token = tab.cookie.removeprefix("chatroom=").partition(".")
    assert user_id == "1"
    assert len(token) >= 43
    assert token.encode() not in response.body


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        ({"userId": 1, "userPwd": "wrong"}, Code.WRONG_PASSWORD),
        ({"userId": 99, "userPwd": PASSWORD}, Code.NO_SUCH_USER),
        ({"userId": 1}, Code.MALFORMED),
        ({"userId": "1", "userPwd": PASSWORD}, Code.MALFORMED),
        ([], Code.MALFORMED),
    ],
)
def test_a_login_that_is_refused_sets_no_cookie(
    world: World, tab: Tab, credentials: object, code: int
) -> None:
    world.account(1)
    in_utf8 = "application/json; charset=utf-8"
    response = post(world, tab, "login", credentials, Content_Type=in_utf8)
    assert (response.code, response.json["code"]) == (200, code)
    assert response.json["error"]
    assert "Set-Cookie" not in response


def test_a_login_while_the_store_is_away_is_told_so(world: World, tab: Tab) -> None:
    world.store().fail(Trouble.REFUSES)
    response = post(world, tab, "login", {"userId": 1, "userPwd": PASSWORD})
    assert (response.code, response.json["code"]) == (200, Code.UNAVAILABLE)


def test_who_has_left_before_the_answer_costs_nothing(world: World, tab: Tab, second: Tab) -> None:
    world.account(1)
    body = json.dumps({"userId": 1, "userPwd": PASSWORD}).encode()
    headers = {"Content-Type": "application/json", "Origin": ORIGIN}
    tab.sends(request_bytes("POST", "/api/login", headers, body))
    tab.leaves()
    world.settle()
    assert tab.data() == b""
    log_in(world, second)


def test_who_guesses_has_to_wait_and_is_told_how_long(
    world: World, make_site: Callable[..., Site]
) -> None:
    world.account(1)
    tabs = [Tab(make_site(trusted="192.0.2.1")) for _ in range(2)]
    wrong = {"userId": 1, "userPwd": "wrong"}
    answers = [
        post(world, tabs[0], "login", wrong, X_Forwarded_For="203.0.113.5").json for _ in range(30)
    ]
    assert answers[0]["code"] == Code.WRONG_PASSWORD
    assert answers[-1]["code"] == Code.TOO_FAST
    assert answers[-1]["retryAfter"] > 0
    world.account(2)
    right = {"userId": 2, "userPwd": PASSWORD}
    # The one behind the proxy, not all behind it.
    assert post(world, tabs[1], "login", right, X_Forwarded_For="203.0.113.6").json["code"] == 200


# ---------------------------------------------------------------- staying logged in


def test_with_the_cookie_one_is_still_logged_in_and_gets_a_new_token(
    world: World, tab: Tab, second: Tab
) -> None:
    log_in(world, tab)
    second.cookie = old = tab.cookie
    response = post(world, second, "session")
    assert response.json == {"code": 200, "userId": 1, "userName": "user 1"}
    assert attributes(response)[1] == {"Path=/", "Max-Age=2592000", "HttpOnly", "SameSite=Strict"}
    assert second.cookie != old
    # The one that it replaces works on for a while: the answer may be lost.
    assert post(world, tab, "session").json["code"] == 200
    world.wait(LONG, 10)
    assert post(world, again(second, old), "session").json == {"code": 401}
    assert post(world, again(second), "session").json["code"] == 200


@pytest.mark.parametrize(
    "given",
    [
        "",
        "chatroom=",
        "chatroom=1",
        "chatroom=1.",
        "chatroom=1.guessed",
        "chatroom=2.{token}",
        "chatroom=99.{token}",
        "chatroom=x.{token}",
        "chatroom=99999999999999999999.{token}",
        "chatroom=1.\xe9",
        "__Host-chatroom=1.{token}",
        "other=1.{token}",
    ],
)
def test_without_a_good_cookie_one_is_not_and_the_cookie_goes(
    world: World, tab: Tab, second: Tab, given: str
) -> None:
    log_in(world, tab)
    world.account(2)
    second.cookie = given.format(token=tab.cookie.partition(".")[2])
    response = post(world, second, "session")
    assert response.json == {"code": 401}
    assert response["Set-Cookie"] == "chatroom=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"


def test_while_the_store_is_away_the_cookie_stays(world: World, tab: Tab) -> None:
    log_in(world, tab)
    world.store().fail(Trouble.REFUSES)
    response = post(world, tab, "session")
    assert response.json["code"] == Code.UNAVAILABLE
    assert "Set-Cookie" not in response


def test_who_logs_out_is_logged_out(world: World, tab: Tab, second: Tab) -> None:
    log_in(world, tab)
    second.cookie = tab.cookie
    response = post(world, tab, "logout")
    assert response.json == {"code": 200}
    assert response["Set-Cookie"] == "chatroom=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
    assert post(world, second, "session").json == {"code": 401}


def test_a_logout_without_a_cookie_is_one_too(world: World, tab: Tab) -> None:
    assert post(world, tab, "logout").json == {"code": 200}


def test_a_logout_ends_the_other_tabs(world: World, tab: Tab, second: Tab) -> None:
    log_in(world, tab)
    second.opens(Cookie=tab.cookie).says(wire.LoginMes(user_id=1, protocol=2))
    world.settle()
    assert second.frames()
    post(world, tab, "logout")
    assert second.frames()[-1].opcode == 8
    assert world.node().sessions.all() == []


def test_another_tab_keeps_the_new_token_when_it_changes_the_password(
    world: World, tab: Tab, second: Tab
) -> None:
    log_in(world, tab)
    second.opens(Cookie=tab.cookie).says(wire.LoginMes(user_id=1, protocol=2))
    world.settle()
    post(world, tab, "session")
    second.says(wire.PasswordMes(user_pwd=PASSWORD, new_pwd="another one"))
    world.wait(LONG, 10)
    assert post(world, again(tab), "session").json["code"] == 200


# ---------------------------------------------------------------- who is banned


@pytest.mark.parametrize("name", ["register", "login", "session"])
def test_from_a_banned_address_nothing_is_to_be_had(world: World, tab: Tab, name: str) -> None:
    log_in(world, tab)
    world.run(world.store().ban_addresses("192.0.2.0/24", seconds=60, reason="scans"))
    until = world.backend.now_ms() + 60_000
    body = {"register": user(), "login": {"userId": 1, "userPwd": PASSWORD}}.get(name, {})
    response = post(world, again(tab), name, body)
    assert (response.json["code"], response.json["until"]) == (403, until)
    assert "scans" in response.json["error"]
    assert "Set-Cookie" not in response
    assert 7 not in world.backend.accounts


def test_a_banned_user_is_told_until_when_and_keeps_the_cookie_for_then(
    world: World, tab: Tab
) -> None:
    log_in(world, tab)
    world.run(world.store().impose(1, Measure.BAN, seconds=60, reason="enough"))
    until = world.backend.now_ms() + 60_000
    response = post(world, again(tab), "session")
    assert (response.json["code"], response.json["until"]) == (403, until)
    assert "Set-Cookie" not in response
    world.wait(61, 1)
    assert post(world, again(tab), "session").json["code"] == 200


def test_who_is_banned_can_log_out(world: World, tab: Tab) -> None:
    log_in(world, tab)
    world.run(world.store().ban_addresses("192.0.2.0/24", seconds=0, reason=""))
    assert post(world, again(tab), "logout").json == {"code": 200}
    assert world.backend.tokens == {}


# ---------------------------------------------------------------- other sites


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://evil.example",
        "https://chat.example",
        "http://chat.example:8080",
        "http://chat.example.evil.example",
        "null",
        "",
    ],
)
@pytest.mark.parametrize("name", ["register", "login", "session", "logout"])
def test_another_site_can_ask_for_nothing(world: World, tab: Tab, name: str, origin: str) -> None:
    log_in(world, tab)
    kept = tab.cookie
    response = tab.asks("POST", f"/api/{name}", b"{}", **(JSON | {"Origin": origin}))
    assert response.code == 403
    assert "Set-Cookie" not in response
    assert post(world, tab, "session").json["code"] == 200
    assert tab.cookie != kept


def test_a_request_with_no_origin_is_refused(tab: Tab) -> None:
    assert tab.asks("POST", "/api/session", b"{}", Content_Type="application/json").code == 403


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("chat.example:80", "http://chat.example"),
        ("CHAT.example", "http://chat.example"),
        ("chat.example:8890", "http://chat.example:8890"),
        ("[::1]:8890", "http://[::1]:8890"),
    ],
)
def test_the_own_origin_is_known_in_all_its_forms(
    world: World, tab: Tab, host: str, origin: str
) -> None:
    assert post(world, tab, "session", Host=host, Origin=origin).json == {"code": 401}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_a_form_can_ask_for_nothing(tab: Tab, content_type: str) -> None:
    headers = JSON | {"Content_Type": content_type}
    # Twisted looks at a form before we do.
    assert tab.asks("POST", "/api/logout", b"{}", **headers).code in (415, 400)


@pytest.mark.parametrize("body", [b"", b"{", b"nope", b"\xff", b'{"x":' + b"[" * 4000])
def test_what_is_no_json_is_refused(tab: Tab, body: bytes) -> None:
    assert tab.asks("POST", "/api/login", body, **JSON).code == 400


# ---------------------------------------------------------------- proxies and TLS

PROXY = "192.0.2.1"
FORWARDED: dict[str, Any] = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "203.0.113.5"}


def test_behind_a_trusted_proxy_with_tls_the_cookie_is_for_tls_only(
    world: World, make_site: Callable[..., Site]
) -> None:
    tab = Tab(make_site(trusted=PROXY))
    response = log_in(world, tab, **FORWARDED, Origin="https://chat.example")
    name, given = attributes(response)
    assert name == "__Host-chatroom"
    assert given == {"Path=/", "Max-Age=2592000", "HttpOnly", "SameSite=Strict", "Secure"}
    assert response["Strict-Transport-Security"] == "max-age=31536000"
    https = {"X_Forwarded_Proto": "https", "Origin": "https://chat.example"}
    assert post(world, tab, "session", **https).json["code"] == 200


def test_what_others_say_of_themselves_is_not_believed(
    world: World, make_site: Callable[..., Site]
) -> None:
    tab = Tab(make_site(trusted="192.0.2.200"))
    response = log_in(world, tab, **FORWARDED)
    assert attributes(response)[0] == "chatroom"
    assert "Secure" not in response["Set-Cookie"]
    assert "Strict-Transport-Security" not in response
    refused = tab.asks("POST", "/api/session", b"{}", **JSON | {"Origin": "https://chat.example"})
    assert refused.code == 403


def test_a_cookie_names_no_user_that_can_not_be() -> None:
    assert cookie.parse(b"12.abc") == cookie.Pass(12, "abc")
    assert cookie.parse(b"12." + b"x" * 129) is None
    assert cookie.parse(None) is None
