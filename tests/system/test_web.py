"""The page's door of a real server: browsers and terminals are in one room."""

from __future__ import annotations

import re

from chatroom.protocol import messages as wire
from tests.system.lab import Lab, Server
from tests.transports.web.real_browser import Browser
from tests.wire import new_id

WEB = ("--web", "tcp:0:interface=127.0.0.1")


def web_port(server: Server) -> int:
    """Where the log says that the page is."""
    found = re.search(r"The page is at http://127\.0\.0\.1:(\d+)/ ", server.log())
    assert found is not None, server.said()
    return int(found[1])


def test_a_browser_and_a_terminal_write_to_each_other(lab: Lab) -> None:
    server = lab.server(*WEB)
    browser = Browser(web_port(server))
    browser.registers_and_logs_in(1)
    with server.client() as terminal:
        terminal.enter(2)
        assert browser.enters(1).online == 2
        browser.says(wire.SmsMes(content="from a browser", id=new_id()))
        assert browser.hears(wire.AckMes).code == wire.Code.OK
        terminal.hears("from a browser")
        terminal.say("from a terminal", new_id())
        assert browser.hears(wire.SmsMes).content == "from a terminal"
        browser.says(wire.PrivateMes(content="for you alone", to_user_id=2, id=new_id()))
        assert browser.hears(wire.AckMes).code == wire.Code.OK
        assert terminal.expect(wire.PrivateMes).content == "for you alone"
        terminal.tell(1, "and for you")
        assert browser.hears(wire.PrivateMes).content == "and for you"
    browser.closes()


def test_a_browser_stays_logged_in_over_a_crash_of_the_server(lab: Lab) -> None:
    server = lab.server(*WEB)
    browser = Browser(web_port(server))
    browser.registers_and_logs_in(1)
    browser.enters(1)
    browser.says(wire.SmsMes(content="before", id="before"))
    seq = browser.hears(wire.AckMes).seq
    server.kill()
    server = lab.server(*WEB, data=server.data)
    back = Browser(web_port(server))
    back.cookie = browser.cookie
    assert back.posts("session").json == {"code": 200, "userId": 1, "userName": "user 1"}
    resume = wire.Resume(rooms={wire.LOBBY: str(seq)})
    back.opens().says(wire.LoginMes(user_id=1, protocol=2, resume=resume))
    assert back.hears(wire.LoginResMes).code == wire.Code.OK
    # The same again is the same message, in its old place.
    back.says(wire.SmsMes(content="before", id="before"))
    assert back.hears(wire.AckMes).seq == seq
    back.closes()


def test_a_server_that_stops_says_goodbye_to_its_browsers(lab: Lab) -> None:
    server = lab.server(*WEB)
    browser = Browser(web_port(server))
    browser.registers_and_logs_in(1)
    browser.enters(1)
    server.stop()
    error = browser.hears(wire.ErrorMes)
    assert (error.code, error.reconnect) == (wire.Code.CLOSED, True)
    browser.leaves()
