"""What once went wrong in the page, each with its kind: addresses, places, days, keys and links."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from playwright.sync_api import expect

from tests.transports.web.page.chromium import DESKTOP, PHONE, Window, World, both_sizes

# ---------------------------------------------------------------- addresses, and what is thrown


@both_sizes
def test_an_address_that_leads_nowhere_is_told_and_the_chat_is_there(world: World) -> None:
    window = world.someone("kiwi").window()
    for name in ("%", "%E0%A4%A", "u9007199254740993", "u0", "attic", "u1/x"):
        if name in ("%", "u9007199254740993"):
            # From elsewhere, so that it is a new page.
            window.page.goto("about:blank")
            window.enters(f"#/{name}")
        else:
            window.page.evaluate("hash => { location.hash = hash }", f"#/{name}")
        expect(window["#trouble"], name).to_contain_text("leads to no conversation")
        expect(window.unread("lobby"), name).to_be_visible()
        assert "#" not in window.page.url, name
        if name == "%":
            window["#trouble-close"].click()
        else:
            window.opens_settings()
            window.page.keyboard.press("Escape")
            window.unread("lobby").click()
        expect(window["#trouble"], name).to_be_hidden()
        window.goes_to("lobby").says(f"all is well after {name}")


def test_whatever_is_thrown_is_told_with_a_way_back(world: World) -> None:
    window = world.someone("kiwi").enters("#/lobby")
    for size in (PHONE, DESKTOP):
        window.resized(size)
        window.page.evaluate("setTimeout(() => { throw new Error('out of the blue') })")
        expect(window["#trouble"]).to_contain_text("Something went wrong")
        window["#trouble-close"].click()
        expect(window["#trouble"]).to_be_hidden()
        window.page.evaluate("Promise.reject(new Error('unhandled')), undefined")
        expect(window["#trouble"]).to_contain_text("Something went wrong")
        with window.page.expect_navigation():
            window["#trouble-again"].click()
        window.is_online()
        expect(window["#trouble"]).to_be_hidden()
        for thrown in ("out of the blue", "unhandled"):
            assert [line for line in window.trouble if thrown in line]
        window.trouble.clear()


@both_sizes
def test_what_one_part_throws_does_not_stop_the_others(world: World) -> None:
    window = world.someone("kiwi").enters("#/lobby")
    # One of those that hear of each message fails from now on.
    window["#room-avatar"].evaluate("node => { node.replaceChildren = null; }")
    with world.server.client() as other:
        other.enter(world.registered("lime"))
        other.say("hello")
        expect(window["#trouble"]).to_contain_text("Something went wrong")
        window.sees("hello")
        expect(window["#announcer"]).to_contain_text("hello")
    window.trouble.clear()


# ---------------------------------------------------------------- the place in the messages

#: Which message is uppermost in sight, and how far below the upper edge it begins.
PLACE = """() => {
  const edge = document.getElementById("messages").getBoundingClientRect().top;
  for (const node of document.querySelectorAll("#message-list [data-seq]")) {
    const box = node.querySelector(".bubble").getBoundingClientRect();
    if (box.bottom > edge + 1) return { text: node.textContent.slice(0, 40), top: box.top - edge };
  }
}"""
#: All frames that are due have been drawn.
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def reading_older_messages(world: World) -> Window:
    person = world.someone("kiwi")
    lime = world.registered("lime")
    with world.server.client() as other:
        other.enter(lime)
        for number in range(1, 61):
            other.tell(person.user_id, f"message {number} " + "一些 words " * (number % 17))
    window = person.enters(f"#/u{lime}")
    expect(window["#message-list"]).to_contain_text("message 60 ")
    window.page.keyboard.press("Escape")
    return window


def set_font(window: Window, size: str) -> None:
    window.page.evaluate("size => { document.documentElement.style.fontSize = size }", size)


CHANGES: dict[str, tuple[Callable[[Window], object], Callable[[Window], object]]] = {
    "rotation": (lambda w: w.resized((740, 360)), lambda w: w.resized((360, 740))),
    "zoom": (lambda w: w.resized((320, 256)), lambda w: w.resized((1280, 1024))),
    "font": (lambda w: set_font(w, "150%"), lambda w: set_font(w, "90%")),
}


@both_sizes
def test_the_place_in_the_messages_stays_when_the_layout_changes(world: World) -> None:
    window = reading_older_messages(world)
    for name, (there, back) in CHANGES.items():
        window.resized(world.size).page.evaluate(DRAWN)
        window.page.evaluate("document.getElementById('messages').scrollTop = 700")
        expect(window["#jump"]).to_be_visible()
        window.page.evaluate(DRAWN)
        before = window.page.evaluate(PLACE)
        for change in (there, back, there):
            change(window)
            window.page.evaluate(DRAWN)
            expect(window["#jump"]).to_be_visible()
            now = window.page.evaluate(PLACE)
            assert now["text"] == before["text"], name
    set_font(window, "")
    # And who is at the newest message stays there.
    window.resized(world.size)["#jump"].click()
    for other in ((740, 360), (360, 740), (1280, 1024), (320, 256)):
        window.resized(other).page.evaluate(DRAWN)
        expect(window["#message-list > li"].last).to_be_in_viewport()


# ---------------------------------------------------------------- days


@both_sizes
def test_today_is_yesterday_after_midnight(world: World) -> None:
    window = world.someone("kiwi").window()
    clock = window.page.clock
    evening = datetime.now().astimezone().replace(hour=23, minute=0, second=0)
    clock.install(time=evening)
    window.enters("#/lobby").says("before midnight")
    # Shortly before it the page is connected anew, and then nothing happens but that time goes by.
    clock.pause_at(evening.replace(minute=59, second=40))
    window.page.evaluate("window.dispatchEvent(new Event('online'))")
    window.is_online()
    clock.run_for(5_000)
    window.is_online()
    days = window["#message-list .day"]
    expect(days.last).to_have_text("Today")
    clock.run_for(46_000)
    window.is_online()
    expect(days.last).to_have_text("Yesterday")
    when = window.unread("lobby").locator(".when")
    expect(when).to_have_text(re.compile(r"^\d+/\d+$"))


@both_sizes
def test_today_is_yesterday_after_a_night_without_a_connection(world: World) -> None:
    person = world.someone("kiwi")
    window = person.window()
    window.page.clock.install(time=datetime.now().astimezone().replace(hour=23, minute=50))
    window.enters("#/lobby").says("before the night")
    person.context.set_offline(True)
    window.page.clock.fast_forward(30_000_000)
    person.context.set_offline(False)
    window.page.evaluate("window.dispatchEvent(new Event('online'))")
    window.is_online()
    expect(window["#message-list .day"].last).to_have_text("Yesterday")


# ---------------------------------------------------------------- keys of input methods

#: Enter as Safari tells it while an input method composes: by the key code alone.
COMPOSING = """(node) => node.dispatchEvent(new KeyboardEvent("keydown", {
  key: "Enter", keyCode: 229, bubbles: true, cancelable: true }))"""


def test_an_enter_of_an_input_method_opens_no_chat_and_sends_nothing(world: World) -> None:
    lime = world.registered("青柠")
    window = world.someone("kiwi").enters()
    with world.server.client() as other:
        other.enter(lime)
        for size in (PHONE, DESKTOP):
            window.resized(size).page.evaluate("location.hash = '#/people'")
            window["#people-search"].fill("青")
            expect(window[f'.person[data-user="{lime}"]']).to_be_visible()
            window["#people-search"].evaluate(COMPOSING)
            assert f"u{lime}" not in window.page.url
            window["#people-search"].press("Enter")
            expect(window["#room-title"]).to_have_text("青柠")
            window["#composer-text"].fill("说")
            window["#composer-text"].evaluate(COMPOSING)
            expect(window["#composer-text"]).to_have_value("说")
            window["#composer-text"].fill("")
            window.goes_to("lobby")


# ---------------------------------------------------------------- what others' text does


def test_links_end_where_chinese_goes_on_and_marks_become_what_they_say(world: World) -> None:
    person = world.someone("kiwi")
    window = person.enters(f"#/u{person.user_id}")
    for text in (
        "详见https://example.com/a谢谢大家",
        "www.example.org, or kiwi@example.org",
        "**bold** and *slanted* and `code`",
        "> said before\nanswer",
        "- one\n- two",
        "3. three\n4. four",
        "```py\nx = 1\n```",
    ):
        window.writes(text)
    expect(window["#message-list [data-seq]"]).to_have_count(7)
    for size in (PHONE, DESKTOP):
        window.resized(size)
        expect(window["#message-list .bubble pre"]).to_have_text("x = 1")
        links = window["#message-list a"].evaluate_all("all => all.map((a) => a.href)")
        assert links == [
            "https://example.com/a",
            "https://www.example.org/",
            "mailto:kiwi@example.org",
        ]
        for selector, text in {
            "strong": "bold",
            "em": "slanted",
            "p code": "code",
            "blockquote": "said before",
            "ul li:last-child": "two",
            'ol[start="3"] li:last-child': "four",
        }.items():
            expect(window[f"#message-list .bubble {selector}"]).to_have_text(text)


@both_sizes
def test_a_million_blanks_are_written_like_anything_else(world: World) -> None:
    window = world.someone("kiwi").enters("#/lobby")
    box = window["#composer-text"]
    box.evaluate("node => { node.value = ' '.repeat(1e6) + 'x'; }")
    for key in "abc":
        box.press(key)
    expect(window["#composer-note"]).to_contain_text("too many")
    box.evaluate("node => { node.value = 'short' + ' '.repeat(1e6); }")
    box.press("Enter")
    expect(window.sent("short")).to_be_visible()
