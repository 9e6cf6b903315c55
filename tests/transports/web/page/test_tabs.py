"""Tabs of one browser: what each of them wrote stays, and stays its author's."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.transports.web.page.chromium import Someone, Window, World, both_sizes

pytestmark = both_sizes


def draft(window: Window, text: str) -> Window:
    """Write and don't send."""
    window["#composer-text"].fill(text)
    return window


def has_draft(window: Window, text: str) -> None:
    expect(window["#composer-text"]).to_have_value(text)


def browser_of_two(world: World) -> tuple[Someone, int, int]:
    """A browser in which nobody is logged in yet, and two people who share it."""
    kiwi, lime = world.registered("kiwi"), world.registered("lime")
    return world.browser_of(kiwi), kiwi, lime


def test_drafts_of_two_tabs_are_all_kept(world: World) -> None:
    person = world.someone("kiwi")
    plum, fig = world.registered("plum"), world.registered("fig")
    one, two = person.enters(f"#/u{plum}"), person.enters(f"#/u{fig}")
    draft(one, "for plum")
    draft(two, "for fig")
    for window in (one, two):
        window.reloads()
        has_draft(window.goes_to(plum), "for plum")
        has_draft(window.goes_to(fig), "for fig")


def test_a_draft_that_was_sent_in_one_tab_is_in_no_other(world: World) -> None:
    person = world.someone("kiwi")
    one = draft(person.enters("#/lobby"), "said only once")
    one["#composer-text"].blur()
    two = person.enters("#/lobby")
    has_draft(two, "said only once")
    draft(two, "said only once, of course")
    has_draft(one, "said only once, of course")
    one["#composer-text"].press("Enter")
    expect(one.sent("said only once, of course")).to_be_visible()
    has_draft(two, "")
    for window in (two, one):
        has_draft(window.reloads(), "")


def test_a_tab_at_the_login_follows_one_that_logs_in(world: World) -> None:
    person, kiwi, _ = browser_of_two(world)
    waiting, window = person.window().opens(), person.window().opens()
    window.logs_in(kiwi).is_online()
    waiting.is_online()
    expect(waiting["#me-name"]).to_have_text("kiwi")


def test_a_tab_becomes_nobody_else_unasked(world: World) -> None:
    person, kiwi, lime = browser_of_two(world)
    first, second = person.window().opens(), person.window().opens()
    # Who is filling in the form is told, and not taken away from it.
    second["#login-id"].fill(str(lime))
    second["#login-password"].fill("half of it")
    first.logs_in(kiwi).is_online().goes_to("lobby")
    expect(second["#login-notice"]).to_contain_text("kiwi has logged in in another tab")
    expect(second["#login-password"]).to_have_value("half of it")
    draft(first, "for kiwi's friends alone")
    second.logs_in(lime).is_online()
    # The tab that was kiwi's says who it would be now.
    first.is_asked_to_log_in()
    expect(first["#login-notice"]).to_contain_text("lime has logged in in another tab")
    expect(first["#login-notice"]).to_contain_text("What kiwi wrote and did not send is kept")
    first.page.keyboard.type("keys that go nowhere")
    first.page.keyboard.press("Enter")
    expect(first["#login-password"]).to_have_value("")
    # Nor does a reload make it lime's.
    first.page.reload()
    expect(first["#login-notice"]).to_contain_text("lime has logged in")
    expect(first["#login-go-on"]).to_have_text("Go on as lime")
    first["#login-go-on"].click()
    first.is_online()
    expect(first["#me-name"]).to_have_text("lime")
    has_draft(first, "")
    # And what kiwi wrote waits for kiwi.
    first.reloads()
    has_draft(first, "")
    expect(first["#me-name"]).to_have_text("lime")
    other = world.browser_of(kiwi).window().opens()
    other.logs_in(kiwi).is_online()
    has_draft(other, "")
    logs_out(first)
    first.logs_in(kiwi).is_online().goes_to("lobby")
    has_draft(first, "for kiwi's friends alone")
    expect(first.messages("for kiwi's friends alone")).to_have_count(0)


def test_what_waits_is_sent_under_the_name_of_who_wrote_it(world: World) -> None:
    person, kiwi, lime = browser_of_two(world)
    first, second = person.window(), person.window()
    first.page.route_web_socket("**/ws", lambda socket: socket.close())
    first.opens().logs_in(kiwi).is_connected("offline").goes_to("lobby")
    first.writes("kiwi's own words")
    expect(first.messages("kiwi's own words")).to_have_attribute("data-state", "waiting")
    first.page.goto("about:blank")
    # Lime gets at the browser, and the cookie is lime's from now on.
    person.user_id = lime
    person.logs_in()
    second.enters("#/lobby").says("lime's own words")
    expect(second["#me-name"]).to_have_text("lime")
    expect(second.messages("kiwi's own words")).to_have_count(0)
    person.user_id = kiwi
    person.logs_in()
    third = person.enters("#/lobby")
    expect(third["#me-name"]).to_have_text("kiwi")
    expect(third.sent("kiwi's own words")).to_be_visible()
    expect(third.messages("kiwi's own words")).to_have_attribute("data-user", str(kiwi))


def test_logging_out_counts_what_all_tabs_hold(world: World) -> None:
    person = world.someone("kiwi")
    plum = world.registered("plum")
    window, tab = person.enters(), person.window()
    tab.page.route_web_socket("**/ws", lambda socket: socket.close())
    tab.opens("#/lobby").is_connected("offline")
    tab.writes("not sent yet")
    draft(tab.goes_to(plum), "a long draft")
    tab["#composer-text"].blur()
    window.opens_settings()
    window["#open-logout"].click()
    question = window["#logout-question"]
    expect(question).to_contain_text("1 message has not been sent")
    expect(question).to_contain_text("1 draft")
    window["#logout-confirm"].click()
    for each in (window, tab):
        each.is_asked_to_log_in()
        expect(each["#login-notice"]).to_have_text("You are logged out.")
    # Nothing of theirs is left in the browser.
    names = "id => Object.keys(localStorage).filter((name) => name.split(':').includes(String(id)))"
    assert window.page.evaluate(names, person.user_id) == []
    assert window.page.evaluate("localStorage.getItem('chatroom:user')") is None
    window.logs_in(person.user_id).is_online()
    has_draft(window.goes_to(plum), "")
    expect(window.goes_to("lobby").messages("not sent yet")).to_have_count(0)


def logs_out(window: Window) -> None:
    window.opens_settings()
    window["#open-logout"].click()
    window["#logout-confirm"].click()
    window.is_asked_to_log_in()
