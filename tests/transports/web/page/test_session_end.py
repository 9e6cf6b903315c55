"""A session that ends while one writes: what was written stays, and no key goes astray."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.system.lab import Server
from tests.system.test_admin import Admin
from tests.transports.web.page.chromium import World, both_sizes
from tests.wire import PASSWORD

pytestmark = both_sizes

#: A timer that saves what is being written does so too late.
NO_TIMER_SAVES = """
const real = window.setTimeout;
window.setTimeout = (call, ms, ...more) => (ms === 300 ? 1e9 : real(call, ms, ...more));
"""


def test_what_was_being_written_when_the_session_ended_is_there_after_the_next_login(
    world: World, server: Server
) -> None:
    person = world.someone("kiwi")
    plum = world.registered("plum")
    person.context.add_init_script(NO_TIMER_SAVES)
    window = person.enters(f"#/u{plum}")
    keyboard = window.page.keyboard
    window["#composer-text"].focus()
    keyboard.type("half a sentence")
    Admin("--data", str(server.data)).says("kick", person.user_id, "--reason", "a rest")
    window.is_asked_to_log_in()
    keyboard.type(" and its other half")
    keyboard.press("Enter")
    # What is being typed is nobody's password.
    for field in ("#login-id", "#login-password"):
        assert "half" not in window[field].input_value()
    expect(window["#login-password"]).not_to_be_focused()
    expect(window["#login-notice"]).to_contain_text("a rest")
    expect(window["#login-notice"]).to_contain_text("What kiwi wrote and did not send is kept")
    window.logs_in(person.user_id, PASSWORD).is_online()
    # One is where one was.
    expect(window["#room-title"]).to_have_text(f"User {plum}")
    expect(window["#composer-text"]).to_have_value("half a sentence")


def test_what_was_being_written_when_the_page_went_is_there_after_a_reload(world: World) -> None:
    person = world.someone("kiwi")
    person.context.add_init_script(NO_TIMER_SAVES)
    window = person.enters("#/lobby")
    window["#composer-text"].focus()
    window.page.keyboard.type("and away")
    window.reloads()
    expect(window["#composer-text"]).to_have_value("and away")


def test_what_was_being_written_is_saved_before_one_looks_elsewhere(world: World) -> None:
    person = world.someone("kiwi")
    person.context.add_init_script(NO_TIMER_SAVES)
    window = person.enters("#/lobby")
    for number, leave in enumerate(("blur", "focus elsewhere", "visibilitychange")):
        text = f"written before {leave}"
        window["#composer-text"].fill(text)
        if number == 1:
            window["#messages"].focus()
        else:
            window.page.evaluate("name => window.dispatchEvent(new Event(name))", leave)
        kept = window.page.evaluate("Object.values(localStorage).join()")
        assert text in kept


def test_who_logs_in_leaves_no_password_in_the_page(world: World) -> None:
    user_id = world.registered("kiwi")
    window = world.browser_of(user_id).window().opens()
    window.logs_in(user_id).is_online()
    assert window["#login-password"].input_value() == ""
