"""The page and its files over HTTP: headers, encodings, and requests that are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatroom.limits.rate import RateLimits
from chatroom.transports.web.files import TYPES, read_files
from chatroom.transports.web.request import MAX_BODY, REQUEST_BYTES, TIMEOUT
from chatroom.transports.web.site import Site
from tests.transports.web.browser import HOST, ORIGIN, Response, Tab, parse_response, request_bytes
from tests.transports.web.conftest import PAGE, SCRIPT
from tests.world import World

JSON = {"Content_Type": "application/json", "Origin": ORIGIN}


def check_headers(response: Response) -> None:
    """What every answer must say."""
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]
    assert "Server" not in response


# ---------------------------------------------------------------- files


def test_the_page_is_at_the_root(tab: Tab) -> None:
    response = tab.asks("GET", "/")
    assert (response.code, response.body) == (200, PAGE)
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert response["Cache-Control"] == "no-cache"
    assert response["Date"].endswith(" GMT")


def test_its_files_are_below_static(tab: Tab) -> None:
    response = tab.asks("GET", "/static/parts/app.js?v=1")
    assert (response.code, response.body) == (200, SCRIPT)
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    assert tab.asks("GET", "/static/style.css")["Content-Type"] == "text/css; charset=utf-8"


def test_head_gets_the_headers_alone(tab: Tab) -> None:
    response = tab.asks("HEAD", "/")
    assert (response.code, response.body) == (200, b"")
    assert response["Content-Length"] == str(len(PAGE))


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/static/",
        "/static/../site.py",
        "/static/%2e%2e/site.py",
        "/static//etc/passwd",
        "/static/parts/app.js.br",
        "/api/nothing",
        "//",
        "static/style.css",
        "http://elsewhere.example/",
        "*",
    ],
)
def test_what_is_not_there_is_said_to_be_so(tab: Tab, path: str) -> None:
    response = tab.asks("GET", path)
    assert (response.code, response.body) == (404, b"not found\n")
    check_headers(response)


def test_a_browser_that_has_the_file_is_not_sent_it_again(tab: Tab) -> None:
    first = tab.asks("GET", "/")
    for known in (first["ETag"], f'"other", W/{first["ETag"]}', "*"):
        again = tab.asks("GET", "/", If_None_Match=known)
        assert (again.code, again.body) == (304, b"")
        assert again["ETag"] == first["ETag"]
        assert again["Cache-Control"] == "no-cache"
        assert again["Vary"] == "Accept-Encoding"
        check_headers(again)
    assert tab.asks("GET", "/", If_None_Match='"other"').body == PAGE


def test_a_changed_file_has_another_etag(folder: Path, make_site: Callable[..., Site]) -> None:
    before = Tab(make_site()).asks("GET", "/")["ETag"]
    (folder / "index.html").write_bytes(PAGE + b" ")
    response = Tab(make_site()).asks("GET", "/", If_None_Match=before)
    assert response.code == 200
    assert response["ETag"] != before
    assert not response["ETag"].startswith("W/")


WORKER = b"addEventListener('fetch', answer);\n"


def test_the_service_worker_is_at_the_root_and_knows_the_page_s_files(
    folder: Path, make_site: Callable[..., Site]
) -> None:
    (folder / "sw.js").write_bytes(b"// a comment\n" + WORKER)
    (folder / "icon-192.png").write_bytes(b"a picture")
    response = Tab(make_site()).asks("GET", "/sw.js")
    assert response.code == 200
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    # The browser asks whether there is another one each time that the page is opened.
    assert response["Cache-Control"] == "no-cache"
    check_headers(response)
    version, files, *rest = response.body.split(b"\n")
    assert version.startswith(b"const VERSION = ")
    assert files == b'const FILES = ["/", "/static/parts/app.js", "/static/style.css"];'
    assert b"\n".join(rest) == b"\n" + WORKER


def test_the_service_worker_is_another_one_when_any_file_is(
    folder: Path, make_site: Callable[..., Site]
) -> None:
    (folder / "sw.js").write_bytes(WORKER)
    first = Tab(make_site()).asks("GET", "/sw.js")
    assert Tab(make_site()).asks("GET", "/sw.js").body == first.body
    (folder / "parts" / "app.js").write_bytes(SCRIPT + b" ")
    assert Tab(make_site()).asks("GET", "/sw.js")["ETag"] != first["ETag"]


def test_a_site_without_a_service_worker_has_none(tab: Tab) -> None:
    assert tab.asks("GET", "/sw.js").code == 404


def test_comments_are_not_sent(folder: Path, make_site: Callable[..., Site]) -> None:
    script = b"// one\nconst a = 1; // two\n  /** three\n   * four */\n"
    script += b"const b = '/*';\n/* five */ const c = 2;\n"
    (folder / "parts" / "more.js").write_bytes(script)
    sent = Tab(make_site()).asks("GET", "/static/parts/more.js").body
    assert sent == b"\nconst a = 1; // two\n\n\nconst b = '/*';\n/* five */ const c = 2;\n"


@pytest.mark.parametrize(
    ("accepted", "encoding", "body"),
    [
        ("gzip, deflate, br, zstd", "br", b"as brotli"),
        ("gzip, deflate", "gzip", b"as gzip"),
        ("br;q=0.5, gzip", "gzip", b"as gzip"),
        ("GZIP;q=0.001", "gzip", b"as gzip"),
        ("*", "br", b"as brotli"),
        ("br;q=0, *;q=0.5", "gzip", b"as gzip"),
        ("gzip;q=0, br;q=0", "", SCRIPT),
        ("gzip;q=much", "", SCRIPT),
        ("identity", "", SCRIPT),
        ("", "", SCRIPT),
    ],
)
def test_a_file_comes_in_the_best_encoding_that_the_browser_takes(
    tab: Tab, accepted: str, encoding: str, body: bytes
) -> None:
    response = tab.asks("GET", "/static/parts/app.js", Accept_Encoding=accepted)
    assert (response["Content-Encoding"], response.body) == (encoding, body)
    assert response["Vary"] == "Accept-Encoding"
    assert response["Content-Type"] == "text/javascript; charset=utf-8"


def test_each_encoding_has_an_etag_of_its_own(tab: Tab) -> None:
    accepted = ("br", "gzip", "")
    tags = {
        tab.asks("GET", "/static/parts/app.js", Accept_Encoding=encoding)["ETag"]
        for encoding in accepted
    }
    assert len(tags) == 3


def test_a_file_with_no_encodings_comes_as_it_is(tab: Tab) -> None:
    response = tab.asks("GET", "/", Accept_Encoding="br, gzip")
    assert ("Content-Encoding" in response, response.body) == (False, PAGE)
    assert response["Vary"] == "Accept-Encoding"


def test_the_package_has_no_file_of_an_unknown_type() -> None:
    package = Path(__file__).parents[3] / "chatroom" / "transports" / "web" / "static"
    here = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert here == set(read_files())
    assert {Path(name).suffix for name in here} <= set(TYPES)


# ---------------------------------------------------------------- every answer


@pytest.mark.parametrize(
    ("method", "path", "headers", "code"),
    [
        ("GET", "/", {}, 200),
        ("HEAD", "/nothing", {}, 404),
        ("POST", "/", JSON, 405),
        ("DELETE", "/static/style.css", {}, 405),
        ("OPTIONS", "/", {}, 405),
        ("GET", "/api/login", {}, 405),
        ("OPTIONS", "/api/login", JSON, 405),
        ("POST", "/api/session", {"Origin": "https://evil.example"}, 403),
        ("POST", "/api/session", {"Origin": ORIGIN}, 415),
        ("POST", "/api/session", JSON, 400),
        ("GET", "/ws", {}, 426),
        ("POST", "/ws", JSON, 405),
    ],
)
def test_every_answer_has_the_headers(
    tab: Tab, method: str, path: str, headers: dict[str, Any], code: int
) -> None:
    response = tab.asks(method, path, **headers)
    assert response.code == code
    check_headers(response)
    assert "Strict-Transport-Security" not in response


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(600)) + b"\r\n",
    ],
    ids=["nonsense", "old", "no_colon", "length", "long", "many"],
)
def test_what_is_no_request_is_refused_and_the_connection_closes(tab: Tab, data: bytes) -> None:
    tab.sends(data)
    response, _ = parse_response(tab.data())
    assert response.code == 400
    check_headers(response)
    assert tab.closed


def test_a_fault_of_ours_is_told_with_the_headers_too(
    site: Site, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr(site, "_send_file", fails)
    response = tab.asks("GET", "/")
    assert (response.code, response.body) == (500, b"internal server error\n")
    check_headers(response)


# ---------------------------------------------------------------- bounds


def test_a_body_that_is_too_large_is_refused_when_it_was_sent(tab: Tab) -> None:
    response = tab.asks("POST", "/api/session", b"x" * (MAX_BODY + 1), **JSON)
    assert response.code == 413
    check_headers(response)
    assert tab.asks("GET", "/").code == 200


def test_no_more_of_a_body_is_kept_than_may_be(tab: Tab) -> None:
    data = request_bytes("POST", "/api/session", {"Transfer-Encoding": "chunked"})
    tab.sends(data)
    for _ in range(100):
        tab.sends(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    assert len(tab.protocol.requests[0].body) <= MAX_BODY
    tab.sends(b"0\r\n\r\n")
    assert tab.takes_answer().code == 413


def test_one_byte_a_second_is_too_slow(world: World, tab: Tab) -> None:
    data = request_bytes("GET", "/")
    for byte in data[:TIMEOUT]:
        assert not tab.closed
        tab.sends(bytes([byte]))
        world.clock.advance(1)
    assert tab.closed


def test_a_slow_body_is_too_slow_as_well(world: World, tab: Tab) -> None:
    tab.sends(request_bytes("POST", "/api/session", {"Content-Length": "1000"}))
    for _ in range(TIMEOUT):
        tab.sends(b"x")
        world.clock.advance(1)
    assert tab.closed


def test_a_connection_lasts_from_request_to_request(world: World, tab: Tab) -> None:
    for _ in range(4):
        world.clock.advance(TIMEOUT - 1)
        assert tab.asks("GET", "/").code == 200
    world.clock.advance(TIMEOUT)
    assert tab.closed


def test_requests_that_come_together_are_answered_in_order(tab: Tab) -> None:
    paths = ("/", "/nothing", "/static/style.css", "/")
    tab.sends(b"".join(request_bytes("GET", path) for path in paths))
    data, codes = tab.data(), []
    while data:
        response, data = parse_response(data)
        codes.append(response.code)
    assert codes == [200, 404, 200, 200]


def test_who_wants_the_connection_closed_gets_that(tab: Tab) -> None:
    assert tab.asks("GET", "/", Connection="close").body == PAGE
    assert tab.closed


def test_an_old_browser_is_answered_too(tab: Tab) -> None:
    tab.sends(f"GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
    assert tab.takes_answer().body == PAGE
    assert tab.closed


# ---------------------------------------------------------------- too fast


def flood(tab: Tab, request: bytes, times: int) -> list[int]:
    """The status of each answer that came to so many requests, sent one behind the other."""
    tab.sends(request * times)
    rest, codes = tab.data(), []
    while rest:
        response, rest = parse_response(rest)
        codes.append(response.code)
        assert (response.code == 429) == ("Retry-After" in response)
    return codes


SESSION = request_bytes(
    "POST", "/api/session", {"Origin": ORIGIN, "Content-Type": "application/json"}, b"{}"
)


def test_who_asks_too_fast_has_to_wait_and_who_goes_on_is_hung_up_on(
    world: World, tab: Tab
) -> None:
    world.node().rate_limits = RateLimits(message_burst=20, message_rate=5)
    assert flood(tab, SESSION, 25) == [200] * 20 + [429] * 5
    assert tab.asks("GET", "/").code == 200
    assert not tab.closed
    world.wait(2)
    assert flood(tab, SESSION, 1) == [200]
    assert len(flood(tab, SESSION, 1000)) < 600
    assert tab.closed


def test_files_are_bounded_by_what_a_connection_may_send(world: World, tab: Tab) -> None:
    world.node().rate_limits = RateLimits(byte_rate=4096, max_frame=4096)
    codes = flood(tab, request_bytes("GET", "/static/style.css"), 100)
    assert codes.count(200) == 4 * 4096 // REQUEST_BYTES
    assert set(codes) == {200, 429}


def test_many_by_one_trusted_proxy_are_not_one_who_asks_too_fast(
    world: World, make_site: Callable[..., Site]
) -> None:
    world.node().rate_limits = RateLimits(message_burst=20, message_rate=5, byte_rate=4096)
    assert flood(Tab(make_site(trusted="192.0.2.1")), SESSION, 200) == [200] * 200
