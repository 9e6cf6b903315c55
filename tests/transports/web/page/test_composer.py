"""Where messages are written: its height, its keys, and the draft that is kept."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.transports.web.page.chromium import DESKTOP, PHONE, Window, World, both_sizes

#: How much of the text is out of sight, and how high the field is; in pixels.
HIDDEN = "node => Math.max(0, node.scrollHeight - node.clientHeight)"
HEIGHT = "node => node.getBoundingClientRect().height"


def is_whole(window: Window, *, lines: int) -> None:
    """All of the text is in sight, in at least so many lines of 24 pixels."""
    field = window["#composer-text"]
    expect(field).to_be_visible()
    assert field.evaluate(HIDDEN) == 0
    assert field.evaluate(HEIGHT) >= lines * 24 + 20


def opens_lobby(window: Window) -> Window:
    """As one does by hand."""
    window['#conversations [data-peer="lobby"]'].click()
    expect(window["#composer-text"]).to_be_visible()
    return window


@both_sizes
def test_the_field_is_as_high_as_its_text_from_the_first_and_at_any_width(
    world: World,
) -> None:
    size = world.size
    window = opens_lobby(world.someone("kiwi").enters())
    is_whole(window, lines=1)
    window["#composer-text"].fill("one\ntwo\nthree")
    is_whole(window, lines=3)
    window.opens("").is_online()
    is_whole(opens_lobby(window), lines=3)
    window["#composer-text"].fill("words of a draft that has many of them " * 4)
    high = window["#composer-text"].evaluate(HEIGHT)
    is_whole(window, lines=2 if size == DESKTOP else 4)
    for width, height in ((740, 360), size, (320, 640), size):
        window.page.set_viewport_size({"width": width, "height": height})
        if height > 400:
            is_whole(window, lines=1)
    assert window["#composer-text"].evaluate(HEIGHT) == high
    # Far too much of it leaves room for the messages.
    window["#composer-text"].fill("line\n" * 200)
    assert window["#composer-text"].evaluate(HEIGHT) <= size[1] * 0.4 + 1


def test_a_long_name_leaves_the_empty_field_one_line_high(world: World) -> None:
    name = "a name of quite some length here"
    lime = world.registered(name)
    with world.server.client() as other:
        other.enter(lime)
        window = world.someone("kiwi", size=PHONE).enters(f"#/u{lime}")
        expect(window["#composer-text"]).to_have_attribute("placeholder", f"Message to {name}")
        is_whole(window, lines=1)
        assert window["#composer-text"].evaluate(HEIGHT) < 2 * 24 + 20


@both_sizes
def test_what_is_typed_at_the_messages_goes_into_the_field(world: World) -> None:
    window = world.someone("kiwi").enters("#/lobby")
    window.says("said before")
    window["#messages"].focus()
    window.page.keyboard.type("Typed there")
    expect(window["#composer-text"]).to_have_value("Typed there")
    expect(window["#composer-text"]).to_be_focused()
    # What does something else where it is goes on doing so.
    for keys in ("Control+a", "Control+c", "F8", "PageUp"):
        window["#messages"].focus()
        window.page.keyboard.press(keys)
        expect(window["#composer-text"]).not_to_be_focused()
    window["#toggle-people"].focus()
    window.page.keyboard.press("x")
    expect(window["#composer-text"]).to_have_value("Typed there")


@both_sizes
def test_an_input_method_that_begins_at_the_messages_goes_on_in_the_field(world: World) -> None:
    window = world.someone().enters("#/lobby")
    window["#messages"].focus()
    # So Chromium tells of a key that an input method takes.
    window["#messages"].evaluate(
        "(node) => node.dispatchEvent(new KeyboardEvent('keydown',"
        " { key: 'Process', keyCode: 229, bubbles: true, cancelable: true }))"
    )
    expect(window["#composer-text"]).to_be_focused()


@both_sizes
def test_the_arrow_recalls_what_one_said_last(world: World) -> None:
    window = world.someone("kiwi").enters("#/lobby")
    field = window["#composer-text"]
    window.says("the first")
    window.says("the last of mine")
    with world.server.client() as other:
        other.enter(world.registered("lime"))
        other.say("somebody else's")
        window.sees("somebody else's")
        field.press("ArrowUp")
        expect(field).to_have_value("the last of mine")
        # With something in the field, the arrow moves in it.
        field.press("ArrowUp")
        expect(field).to_have_value("the last of mine")
        field.press("End")
        field.type(", again")
        field.press("Enter")
        other.hears("the last of mine, again")
    expect(window.sent("the last of mine")).to_be_visible()


@both_sizes
def test_a_draft_is_marked_in_the_list_and_kept_over_a_reload(world: World) -> None:
    person = world.someone("kiwi")
    plum = world.registered("plum")
    # Nobody has talked to them: the draft is all that there is.
    window = person.enters(f"#/u{plum}")
    window["#composer-text"].fill("shall we meet?")
    window.opens("").is_online()
    window.page.evaluate("location.hash = ''")
    row = window.unread(plum)
    if world.size == DESKTOP:
        window.goes_to("lobby")
    expect(row).to_contain_text("Draft: shall we meet?")
    window.reloads()
    expect(row).to_contain_text("Draft: shall we meet?")
    row.click()
    expect(window["#composer-text"]).to_have_value("shall we meet?")
    window["#composer-text"].press("Enter")
    expect(window.sent("shall we meet?")).to_be_visible()
    if world.size == PHONE:
        window["#back"].click()
    expect(row).to_contain_text("You: shall we meet?")
    expect(row).not_to_contain_text("Draft")
