"""The room, private conversations and people, in several browsers and a terminal at once."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.system.console import Pipe
from tests.system.lab import until
from tests.transports.web.page.chromium import PHONE, Window, World, both_sizes
from tests.wire import PASSWORD, WireClient

#: Makes a page look hidden, which no window of a browser without a screen ever is.
HIDE = """
for (const [name, value] of [["hidden", true], ["visibilityState", "hidden"]]) {
  Object.defineProperty(document, name, { get: () => value, configurable: true });
}
document.hasFocus = () => false;
document.dispatchEvent(new Event("visibilitychange"));
window.dispatchEvent(new Event("blur"));
"""
SHOW = """
for (const name of ["hidden", "visibilityState", "hasFocus"]) delete document[name];
document.dispatchEvent(new Event("visibilitychange"));
window.dispatchEvent(new Event("focus"));
"""
#: Notes what notifications are shown, as no screen shows them.
NOTE_NOTIFICATIONS = """
window.shown = [];
window.Notification = class extends EventTarget {
  static permission = "granted";
  static requestPermission = async () => "granted";
  constructor(title, { body }) { super(); window.shown.push([title, body]); }
  close() {}
};
"""


def client(world: World, user_id: int, name: str = "") -> WireClient:
    """Somebody with another program."""
    return world.server.client().enter(user_id, name)


def test_two_browsers_and_a_terminal_talk_together(world: World) -> None:
    kiwi, lime = world.someone("kiwi").enters(), world.someone("青柠").enters()
    plum = world.registered("plum")
    with Pipe(world.server.port) as terminal:
        terminal.type("1", str(plum), PASSWORD)
        terminal.sees("Welcome plum")
        kiwi.says("hello from kiwi")
        lime.sees("hello from kiwi")
        terminal.sees("hello from kiwi")
        lime.says("大家好, from a phone")
        kiwi.sees("大家好, from a phone")
        terminal.sees("大家好, from a phone")
        terminal.type("2", "hello from a terminal")
        for window in (kiwi, lime):
            window.sees("hello from a terminal")
        kiwi.goes_to(plum).says("for plum alone")
        terminal.sees("for plum alone")
        terminal.type("4")
        assert terminal.ends() == 0
    expect(lime.messages("for plum alone")).to_have_count(0)


def test_each_message_is_once_in_every_tab_which_agree_on_what_is_unread(world: World) -> None:
    person = world.someone("kiwi")
    one, two = person.enters(), person.enters()
    one.says("said in one tab")
    two.sees("said in one tab")
    expect(two.messages("said in one tab")).to_have_class(re.compile("own"))
    two.says("and in the other")
    one.sees("and in the other")
    # What is unread is so in all of them, too.
    lime = world.registered("lime")
    with client(world, lime) as other:
        for number in range(3):
            other.tell(person.user_id, f"private {number}")
        for window in (one, two):
            expect(window.unread(lime)).to_have_attribute("data-unread", "3")
            expect(window.unread(lime).locator(".badge")).to_have_text("3")
            expect(window.page).to_have_title("(3) Lobby · Chatroom")
        one.goes_to(lime).sees("private 2")
        for window in (one, two):
            expect(window.unread(lime)).to_have_attribute("data-unread", "0")
            expect(window.page).to_have_title(re.compile(r"^(Lobby|lime) · Chatroom$"))
        # What is on screen is read; it is in the other tab as well.
        other.tell(person.user_id, "private 3")
        one.sees("private 3")
        two.goes_to(lime).sees("private 3")
    two.reloads()
    expect(two.unread(lime)).to_have_attribute("data-unread", "0")


def test_what_is_unread_waits_over_a_reload(world: World) -> None:
    person = world.someone("kiwi")
    lime = world.registered("lime")
    with client(world, lime) as other:
        window = person.enters()
        other.tell(person.user_id, "while the page is open")
        expect(window.unread(lime)).to_have_attribute("data-unread", "1")
        window.page.goto("about:blank")
        other.tell(person.user_id, "and while it is closed")
        window.enters()
        expect(window.unread(lime)).to_have_attribute("data-unread", "2")
        window.goes_to(lime)
        expect(window["#new-line"]).to_be_visible()
        assert window.texts() == ["while the page is open", "and while it is closed"]


def test_people_come_go_and_are_found(world: World) -> None:
    window = world.someone("kiwi").enters()
    lime, plum = world.registered("lime 青柠"), world.registered("plum")
    with client(world, plum):
        with client(world, lime):
            for user_id in (lime, plum):
                expect(window[f'.person[data-user="{user_id}"]']).to_be_visible()
            for query in ("青", "LIME", str(lime)):
                window["#people-search"].fill(query)
                expect(window[f'.person[data-user="{lime}"]']).to_be_visible()
                expect(window[f'.person[data-user="{plum}"]']).to_have_count(0)
            window["#people-search"].press("Enter")
            expect(window["#room-title"]).to_have_text("lime 青柠")
        expect(window["#room-subtitle"]).to_contain_text("Offline")
        expect(window[f'.person[data-user="{lime}"]']).to_have_count(0)


def test_a_status_is_seen_by_others_and_in_all_tabs(world: World) -> None:
    person = world.someone("kiwi")
    one, two = person.enters(), person.enters()
    other = world.someone("lime").enters()
    row = f'.person[data-user="{person.user_id}"]'
    expect(other[row]).to_have_attribute("data-status", "0")
    one["#status-switch"].select_option("2")
    expect(other[row]).to_have_attribute("data-status", "2")
    expect(two["#status-switch"]).to_have_value("2")
    two.reloads()
    expect(two["#status-switch"]).to_have_value("2")


#: Scrolls there, and tells which message is uppermost in sight, and where it is, before any other
#: code of the page runs.
SCROLL = """top => {
  const messages = document.getElementById("messages");
  messages.scrollTop = top;
  const edge = messages.getBoundingClientRect().top;
  const all = [...document.querySelectorAll("#message-list [data-seq]")];
  for (const node of all) {
    const box = node.querySelector(".bubble").getBoundingClientRect();
    if (box.bottom > edge) {
      return { seq: node.dataset.seq, top: box.top, oldest: all[0].dataset.seq, count: all.length };
    }
  }
}"""


def unread_at_the_server(world: World, user_id: int) -> object:
    """How many private messages the server would bring to a client that knows of none."""
    with world.server.client() as another:
        return another.log_in(user_id).unread


def top_of(page: Page, seq: str) -> float:
    bubble = page.locator(f'#message-list [data-seq="{seq}"] .bubble')
    return bubble.evaluate("node => node.getBoundingClientRect().top")  # type: ignore[no-any-return]


@both_sizes
def test_history_comes_by_scrolling_up_with_no_jump(world: World) -> None:
    person = world.someone("kiwi")
    lime = world.registered("lime")
    with client(world, lime) as other:
        for number in range(1, 261):
            # Of many heights, so that a wrong guess of one would show.
            other.tell(person.user_id, f"message {number} " + "一些 words " * (number % 23))
    window = person.enters(f"#/u{lime}")
    page = window.page
    # At first one may stand where the unread ones begin; once they are read, at the newest.
    newest = window["#message-list"].get_by_text(re.compile("^message 260 "))
    expect(window["#new-line"].or_(newest).first).to_be_attached()
    page.keyboard.press("Escape")
    expect(window.unread(lime)).to_have_attribute("data-unread", "0")
    # What the server has not heard of being received would all come at once again.
    until(lambda: unread_at_the_server(world, person.user_id) == 0)
    window.reloads()
    expect(window["#message-list"]).to_contain_text("message 260 ")
    jumps: list[float] = []
    for _ in range(80):
        if window["#message-list"].get_by_text(re.compile("^message 1 ")).count():
            break
        # To where older messages are fetched, but not to the very end.
        anchor = page.evaluate(SCROLL, 300)
        assert anchor["count"] <= 200
        first = page.locator("#message-list [data-seq]").first
        expect(first).not_to_have_attribute("data-seq", anchor["oldest"])
        jumps.append(abs(top_of(page, anchor["seq"]) - anchor["top"]))
    page.evaluate(SCROLL, 0)
    expect(window["#messages-top"]).to_contain_text("beginning")
    assert len(jumps) >= 4
    assert max(jumps) <= 1, jumps


def test_a_reload_brings_nothing_again_that_has_come(world: World) -> None:
    person = world.someone("kiwi")
    lime = world.registered("lime")
    window = person.enters(f"#/u{lime}")
    # The half second after which the page confirms by itself is never over.
    window.page.evaluate("""() => {
      const later = window.setTimeout;
      window.setTimeout = (what, ms, ...rest) => (ms === 500 ? 0 : later(what, ms, ...rest));
    }""")
    with client(world, lime) as other:
        other.tell(person.user_id, "the only one")
        window.sees("the only one")
    assert unread_at_the_server(world, person.user_id) == 1
    window.page.goto("about:blank")
    until(lambda: unread_at_the_server(world, person.user_id) == 0)


def test_what_comes_while_one_reads_older_messages_moves_nothing(world: World) -> None:
    person = world.someone("kiwi")
    lime = world.registered("lime")
    with client(world, lime) as other:
        for number in range(1, 41):
            other.tell(person.user_id, f"message {number} " + "words " * 40)
        window = person.enters(f"#/u{lime}")
        expect(window["#message-list"]).to_contain_text("message 40 ")
        window.page.keyboard.press("Escape")
        expect(window.unread(lime)).to_have_attribute("data-unread", "0")
        anchor = window.page.evaluate(SCROLL, 200)
        expect(window["#jump"]).to_be_visible()
        other.tell(person.user_id, "the newest")
        expect(window["#jump"]).to_have_attribute("data-count", "1")
        assert abs(top_of(window.page, anchor["seq"]) - anchor["top"]) <= 1
        window["#jump"].click()
        window.sees("the newest")
        expect(window["#jump"]).to_be_hidden()


def test_a_hidden_page_counts_in_its_title_and_notifies(world: World) -> None:
    person = world.someone("kiwi")
    person.context.add_init_script(NOTE_NOTIFICATIONS)
    window = person.enters()
    window.opens_settings()
    window["#notify"].click()
    expect(window["#notify-note"]).to_be_visible()
    window.page.keyboard.press("Escape")
    window.page.evaluate(HIDE)
    lime = world.registered("lime")
    with client(world, lime) as other:
        other.tell(person.user_id, "are you there?")
        expect(window.page).to_have_title("(1) Lobby · Chatroom")
        until(lambda: window.page.evaluate("window.shown"))
        assert window.page.evaluate("window.shown") == [["lime", "are you there?"]]
        # The room counts and keeps quiet.
        other.say("to everybody")
        expect(window.page).to_have_title("(2) Lobby · Chatroom")
    window.page.evaluate(SHOW)
    expect(window.page).to_have_title("(1) Lobby · Chatroom")
    window.goes_to(lime).sees("are you there?")
    expect(window.page).to_have_title("lime · Chatroom")
    assert window.page.evaluate("window.shown.length") == 1


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<svg onload=alert(1)>",
    '"><iframe srcdoc="<script>alert(1)</script>">',
    "javascript:alert(1)",
    "[click](javascript:alert(1))",
    "data:text/html,<script>alert(1)</script>",
    "&lt;b&gt;not bold&lt;/b&gt; &amp;",
    "${alert(1)} {{alert(1)}}",
    "`<b>code</b>`",
    "\u202eesrever\u202c in the middle",
    "a\u200bb\u2066c",
]


def test_what_others_write_is_text_whatever_it_is(world: World) -> None:
    window = world.someone("<b>kiwi</b>").enters()
    mallory = world.registered("<img src=x onerror=alert(2)>")
    violations = (
        "document.addEventListener('securitypolicyviolation', () => window.violated = true)"
    )
    window.page.evaluate(violations)
    with client(world, mallory) as other:
        before = window["#room img, #room iframe, #room script"].count()
        for text in HOSTILE:
            other.say(text)
            other.tell(window_owner(window), text)
        expect(window["#message-list .bubble"].last).to_have_text(HOSTILE[-1])
        shown = [bubble.text_content() for bubble in window["#message-list .bubble"].all()]
        assert shown[-len(HOSTILE) :] == [text.replace("`", "") for text in HOSTILE]
        assert window["#room img, #room iframe, #room script"].count() == before
        links = (
            "(all, most) => all.slice(-most)"
            ".flatMap((bubble) => [...bubble.querySelectorAll('a')].map(String))"
        )
        assert window["#message-list .bubble"].evaluate_all(links, len(HOSTILE)) == []
        window.goes_to(mallory)
        expect(window["#message-list .bubble"].last).to_have_text(HOSTILE[-1])
        expect(window["#room-title"]).to_have_text("<img src=x onerror=alert(2)>")
    assert window["#chat img, #chat iframe, #chat script, #chat b"].count() == 0
    assert window.page.evaluate("window.violated") is None


def window_owner(window: Window) -> int:
    """Who is logged in there, by what the list of people shows."""
    number = window.page.evaluate("JSON.parse(localStorage.getItem('chatroom:user'))")
    return int(number)


def test_what_overrides_the_direction_and_what_a_link_opens_stays_apart(world: World) -> None:
    window = world.someone("kiwi").enters()
    lime = world.registered("lime")
    with client(world, lime) as other:
        other.say("\u202e\u202e\u202eno end of it")
        other.say("left to right again")
    window.sees("left to right again")
    bubble = window.messages("left to right again").locator(".bubble p")
    assert bubble.evaluate("node => getComputedStyle(node).direction") == "ltr"
    last = window.unread("lobby").locator(".last bdi").last
    assert last.evaluate("node => getComputedStyle(node).unicodeBidi") == "isolate"
    # Links open elsewhere and give nothing away.
    window.says("see https://example.org/a?b=c, and tell me")
    link = window["#message-list a"].last
    expect(link).to_have_attribute("href", "https://example.org/a?b=c")
    expect(link).to_have_attribute("rel", re.compile("noopener noreferrer"))
    expect(link).to_have_attribute("target", "_blank")


def test_all_is_reached_by_keyboard(world: World) -> None:
    person = world.someone("kiwi")
    lime = world.registered("lime")
    with client(world, lime) as other:
        window = person.enters()
        other.tell(person.user_id, "hello")
        expect(window.unread(lime)).to_be_visible()
        keyboard = window.page.keyboard
        expect(window["#composer-text"]).to_be_focused()
        keyboard.press("Alt+ArrowDown")
        expect(window["#room-title"]).to_have_text("lime")
        keyboard.type("by keyboard")
        keyboard.press("Shift+Enter")
        keyboard.type("in two lines")
        keyboard.press("Enter")
        other.is_told("by keyboard\nin two lines")
        keyboard.press("F6")
        expect(window["#people-search"]).to_be_focused()
        keyboard.press("F6")
        expect(window.unread(lime)).to_be_focused()
        keyboard.press("ArrowUp")
        keyboard.press("Enter")
        expect(window["#room-title"]).to_have_text("Lobby")
        expect(window["#announcer"]).to_contain_text("Private, from lime: hello")


def test_a_phone_shows_one_thing_at_a_time(world: World) -> None:
    person = world.someone("kiwi", viewport={"width": PHONE[0], "height": PHONE[1]})
    with client(world, world.registered("plum")) as plum:
        window = person.enters()
        expect(window["#conversations"]).to_be_visible()
        expect(window["#composer-text"]).to_be_hidden()
        window["#open-people"].click()
        expect(window["#people-list"]).to_be_visible()
        window[f'.person[data-user="{plum.user_id}"]'].click()
        expect(window["#room-title"]).to_have_text("plum")
        window.says("longwordlongword" * 40)
        width = "document.scrollingElement.scrollWidth"
        assert window.page.evaluate(width) == PHONE[0]
        window["#back"].click()
        expect(window["#conversations"]).to_be_visible()
        assert window.page.evaluate(width) == PHONE[0]
