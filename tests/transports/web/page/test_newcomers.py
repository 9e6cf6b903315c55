"""What somebody looks for who is new here: people, numbers, times, keys, and the look of things."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Request, Route, expect

from tests.transports.web.page.chromium import DESKTOP, PHONE, Size, Window, World, both_sizes
from tests.wire import PASSWORD

# ---------------------------------------------------------------- people


def test_who_is_offline_is_found_by_name_once_one_has_talked(world: World) -> None:
    person = world.someone("kiwi")
    lime = world.registered("lime the absent")
    with world.server.client() as other:
        other.enter(lime)
        other.tell(person.user_id, "goodbye")
    window = person.enters()
    for size in (PHONE, DESKTOP):
        window.resized(size).page.evaluate("location.hash = '#/people'")
        window["#people-search"].fill("absent")
        row = window[f'.person[data-user="{lime}"]']
        expect(row).to_contain_text("lime the absent")
        expect(row).to_contain_text("Offline")
        row.click()
        expect(window["#room-title"]).to_have_text("lime the absent")
        window.goes_to("lobby")


@pytest.mark.parametrize(("locale", "words"), [("en-GB", "Nobody has"), ("zh-CN", "没有人使用")])
def test_a_number_that_nobody_has_is_told_before_one_writes(
    world: World, locale: str, words: str
) -> None:
    window = world.someone("kiwi", locale=locale).enters("#/u8000000000000001")
    for size in (PHONE, DESKTOP):
        window.resized(size).goes_to(8000000000000001)
        expect(window["#messages-top"]).to_contain_text(words)
        expect(window["#messages-top"]).to_contain_text("8000000000000001")
        window.goes_to(world.registered("lime"))
        expect(window["#messages-top"]).not_to_contain_text(words)


@both_sizes
def test_escape_empties_the_search_before_it_closes_it(world: World) -> None:
    window = world.someone("kiwi").enters("#/lobby")
    # On a wide screen the people are there from the beginning.
    toggle, search = window["#toggle-people"], window["#people-search"]
    expect(toggle).to_have_attribute("aria-expanded", "true" if world.size == DESKTOP else "false")
    if world.size == PHONE:
        toggle.click()
    expect(search).to_be_visible()
    search.fill("somebody")
    search.press("Escape")
    expect(search).to_have_value("")
    expect(search).to_be_visible()
    expect(search).to_be_focused()
    search.press("Escape")
    expect(search).to_be_hidden()
    expect(window["#people"]).to_be_hidden()


def test_escape_empties_the_search_also_before_the_list_of_people_has_come(world: World) -> None:
    person = world.someone("kiwi", size=PHONE, service_workers="block")
    window = person.window()
    held: list[Route] = []
    window.page.route("**/lazy/people.js", lambda route: held.append(route))
    window.enters("#/people")
    search = window["#people-search"]
    search.fill("somebody")
    search.press("Escape")
    expect(search).to_have_value("")
    expect(search).to_be_visible()
    search.fill("kiwi")
    assert len(held) == 1
    held[0].continue_()
    expect(window[f'.person[data-user="{person.user_id}"]']).to_be_visible()
    search.press("Escape")
    expect(search).to_have_value("")
    search.press("Escape")
    expect(search).to_be_hidden()


# ---------------------------------------------------------------- registering


def registering(world: World, **more: str) -> Window:
    window = world.newcomer(**more).window().opens()
    window["#choose-register"].click()
    return window


@both_sizes
def test_a_free_number_is_suggested_and_taken_by_a_click(world: World) -> None:
    window = registering(world)
    window["#register-id"].fill("kiwi")
    window["#register-id"].blur()
    is_marked(window, "register-id", "is no number")
    # Also where one comes to the button right from the field: it stays under the pointer.
    is_put_right(window, "register-id")
    window["#register-id"].fill("kiwi")
    window["#register-suggest"].click()
    expect(window["#register-id"]).not_to_have_attribute("aria-invalid", "true")
    expect(window["#register-id"]).to_have_value(re.compile(r"^\d{6}$"))
    # With joiners: in an emoji, and between letters.
    name = "👨‍👩‍👧 می‌خواهم"
    window["#register-name"].fill(name)
    window["#register-password"].fill(PASSWORD)
    window["#register-submit"].click()
    window.is_online()
    expect(window["#me-name"]).to_have_text(name)


#: Makes the page suggest these numbers first.
SUGGEST = """{
  const numbers = %s, random = crypto.getRandomValues.bind(crypto);
  crypto.getRandomValues = (into) => (into instanceof Uint32Array && numbers.length
    ? into.fill(numbers.shift() - 100_000) : random(into));
}"""


def about_to_register(world: World, *suggested: int) -> tuple[Window, list[int]]:
    """All is filled in, with the first of these; and the numbers that are asked for from now on."""
    person = world.newcomer()
    person.context.add_init_script(SUGGEST % list(suggested))
    window = person.window().opens()
    asked: list[int] = []

    def note(request: Request) -> None:
        if request.url.endswith("/api/register"):
            asked.append(json.loads(request.post_data or "")["user"]["userId"])

    window.page.on("request", note)
    window["#choose-register"].click()
    window["#register-suggest"].click()
    expect(window["#register-id"]).to_have_value(str(suggested[0]))
    window["#register-name"].fill("kiwi")
    window["#register-password"].fill(PASSWORD)
    return window, asked


def numbers_to_suggest(world: World, count: int) -> list[int]:
    """The first of them is taken."""
    numbers = [100_000 + world.new_id() for _ in range(count)]
    with world.server.client() as client:
        assert client.register(numbers[0], "lime") == 200
    return numbers


@both_sizes
def test_a_suggested_number_that_is_taken_is_replaced_by_a_free_one_which_is_told(
    world: World,
) -> None:
    taken, free = numbers_to_suggest(world, 2)
    window, asked = about_to_register(world, taken, free)
    window["#register-submit"].click()
    window.is_online()
    assert asked == [taken, free]
    expect(window["#announcement-text"]).to_have_text(
        f"Your user number is {free}. You log in with it."
    )
    window["#close-announcement"].click()
    window.opens_settings()
    expect(window["#settings-account"]).to_contain_text(str(free))


@both_sizes
def test_a_number_of_ones_own_that_is_taken_is_told_and_another_one_suggested(
    world: World,
) -> None:
    taken, free, other = numbers_to_suggest(world, 3)
    window, asked = about_to_register(world, free, other)
    window["#register-id"].fill(str(taken))
    window["#register-submit"].click()
    is_marked(window, "register-id", "taken")
    expect(window["#register-id"]).to_have_value(str(taken))
    expect(window["#register-suggest"]).to_have_text(f"Take {other}")
    assert asked == [taken]


@both_sizes
def test_only_so_many_suggested_numbers_are_tried(world: World) -> None:
    *numbers, last = numbers_to_suggest(world, 6)
    window, asked = about_to_register(world, *numbers, last)
    window.page.route("**/api/register", lambda route: route.fulfill(json={"code": 505}))
    window["#register-submit"].click()
    is_marked(window, "register-id", "taken")
    assert asked == numbers
    expect(window["#register-suggest"]).to_have_text(f"Take {last}")


@both_sizes
@pytest.mark.parametrize("answer", ["none", "the store is away"])
def test_no_second_account_is_made_where_the_first_one_may_have_been(
    world: World, answer: str
) -> None:
    _, number, other = numbers_to_suggest(world, 3)
    window, asked = about_to_register(world, number, other)

    def lose(route: Route) -> None:
        assert route.fetch().json()["code"] == 200
        if answer == "none":
            route.abort()
        else:
            route.fulfill(json={"code": 506, "error": "注册发生未知错误..."})

    window.page.route("**/api/register", lose, times=1)
    window["#register-submit"].click()
    expect(window["#register-error"]).not_to_be_empty()
    # That number is not suggested any more either.
    expect(window["#register-suggest"]).to_have_text(f"Take {other}")
    window["#register-submit"].click()
    is_marked(window, "register-id", "taken")
    assert asked == [number, number]


@both_sizes
def test_no_second_account_is_made_where_the_first_one_could_not_be_entered(world: World) -> None:
    _, number, other = numbers_to_suggest(world, 3)
    window, asked = about_to_register(world, number, other)
    window.page.route("**/api/login", lambda route: route.abort(), times=1)
    window["#register-submit"].click()
    expect(window["#register-error"]).not_to_be_empty()
    window["#register-submit"].click()
    is_marked(window, "register-id", "taken")
    assert asked == [number, number]


@both_sizes
def test_no_other_number_is_tried_for_who_has_left_the_form(world: World) -> None:
    taken, other = numbers_to_suggest(world, 2)
    window, asked = about_to_register(world, taken, other)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    window.page.route("**/api/register", hold, times=1)
    with window.page.expect_request("**/api/register"):
        window["#register-submit"].click()
    window["#choose-login"].click()
    held[0].continue_()
    expect(window["#register-submit"]).not_to_have_attribute("aria-busy", "true")
    window["#choose-register"].click()
    is_marked(window, "register-id", "taken")
    assert asked == [taken]


WRONG = [
    ("id", "kiwi", "“kiwi” is no number", "不是数字"),
    ("id", "0", "above 0", "大于 0"),
    ("id", "9007199254740992", "too large", "太大"),
    ("name", "x" * 33, "1 to 32 characters", "1 到 32 个字"),
    ("password", "密" * 342, "too long", "太长"),
]


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_a_field_says_what_is_wrong_with_what_is_in_it(world: World, locale: str) -> None:
    window = registering(world, locale=locale)
    for size in (PHONE, DESKTOP):
        window.resized(size)
        for field, text, english, chinese in WRONG:
            box = window[f"#register-{field}"]
            box.fill(text)
            box.blur()
            is_marked(window, f"register-{field}", english if locale == "en-GB" else chinese)
            is_put_right(window, f"register-{field}")


def is_marked(window: Window, field: str, words: str) -> None:
    """The field is, and describes itself by the words, which stand with it."""
    box = window[f"#{field}"]
    expect(box).to_have_attribute("aria-invalid", "true")
    expect(box).to_have_accessible_description(re.compile(re.escape(words)))
    expect(window[f".field:has(#{field}) .error"]).to_contain_text(words)


def is_put_right(window: Window, field: str) -> None:
    """With something else in it, the field is marked no more."""
    window[f"#{field}"].fill("7" * 7)
    window[f"#{field}"].blur()
    expect(window[f"#{field}"]).not_to_have_attribute("aria-invalid", "true")


REFUSED = [
    ("kiwi", "short", "password", "at least 6 characters", "至少 6 个字符"),
    ("ki\u200bwi", PASSWORD, "name", "can’t be seen", "看不见的字符"),
    ("a" + "\u0301" * 5, PASSWORD, "name", "at most 4 accents", "最多有 4 个"),
]


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_what_the_server_refuses_is_told_in_the_pages_language_at_the_field(
    world: World, locale: str
) -> None:
    window = registering(world, locale=locale)
    window["#register-suggest"].click()
    for size in (PHONE, DESKTOP):
        window.resized(size)
        for name, password, field, english, chinese in REFUSED:
            window["#register-name"].fill(name)
            window["#register-password"].fill(password)
            window["#register-submit"].click()
            is_marked(window, f"register-{field}", english if locale == "en-GB" else chinese)
            text = window["#register-error"].inner_text()
            assert bool(re.search(r"[一-鿿]", text)) is (locale == "zh-CN"), text
            is_put_right(window, f"register-{field}")


@both_sizes
def test_a_new_password_that_is_too_short_is_told_at_its_field(world: World) -> None:
    window = world.someone("kiwi", locale="zh-CN").enters()
    window.opens_settings()
    window["#open-password"].click()
    window["#password-old"].fill(PASSWORD)
    for field in ("new", "repeat"):
        window[f"#password-{field}"].fill("short")
    window["#password-submit"].click()
    is_marked(window, "password-new", "至少 6 个字符")


# ---------------------------------------------------------------- times


#: Part after part was said from noon on.
FOUR_MINUTES_APART = r"""(() => {
  const parse = JSON.parse;
  const spread = (one) => {
    const number = /^part (\d)$/.exec(one?.content ?? "")?.[1];
    if (number) one.sentAt = new Date().setHours(12, Number(number) * 4, 0, 0);
  };
  JSON.parse = (text) => {
    const value = parse(text);
    if (Array.isArray(value?.messages)) value.messages.forEach(spread);
    spread(value);
    return value;
  };
})()"""


def has_talked_every_four_minutes(world: World) -> Window:
    """The messages of somebody who said something every four minutes, as the browser has it."""
    person = world.someone("kiwi")
    lime = world.registered("lime")
    with world.server.client() as other:
        other.enter(lime)
        for number in range(6):
            other.tell(person.user_id, f"part {number}")
    window = person.window()
    person.context.add_init_script(FOUR_MINUTES_APART)
    window.enters(f"#/u{lime}")
    expect(window["#message-list"]).to_contain_text("part 5")
    return window


def test_a_group_has_a_time_every_five_minutes(world: World) -> None:
    window = has_talked_every_four_minutes(world)
    for size in (PHONE, DESKTOP):
        # Four minutes apart each: the first two stand together, then the next two.
        expect(window.resized(size)["#message-list .message.head time"]).to_have_count(3)


def test_each_message_shows_its_time_when_pointed_at_and_says_it(world: World) -> None:
    person = world.someone("kiwi")
    window = person.enters(f"#/u{person.user_id}")
    window.says("one")
    window.says("two")
    last = window["#message-list .message"].last
    time = last.locator("time")
    for size in (PHONE, DESKTOP):
        window.resized(size)["#room-title"].hover()
        expect(time).to_have_text(re.compile(r"\d:\d\d"))
        expect(time).to_have_css("opacity", "0")
        last.hover()
        expect(time).to_have_css("opacity", "1")
        window["#room-title"].hover()
        expect(time).to_have_css("opacity", "0")
        window["#messages"].press("Enter")
        expect(last).to_be_focused()
        expect(time).to_have_css("opacity", "1")
        window.page.keyboard.press("ArrowUp")
        expect(last).not_to_be_focused()
        said = last.aria_snapshot()
        assert re.search(r"time: \d+:\d\d", said), said


# ---------------------------------------------------------------- the title, and what is unread


def test_the_title_names_the_conversation(world: World) -> None:
    lime = world.registered("lime")
    window = world.someone("kiwi").enters("#/lobby")
    for size in (PHONE, DESKTOP):
        window.resized(size).goes_to("lobby")
        expect(window.page).to_have_title("Lobby · Chatroom")
        window.page.evaluate(f"location.hash = '#/u{lime}'")
        expect(window.page).to_have_title(re.compile(f"^(lime|User {lime}) · Chatroom$"))


def test_a_conversation_is_marked_as_unread_in_all_tabs_until_it_is_opened(world: World) -> None:
    person = world.someone("kiwi")
    one, two = person.enters("#/lobby"), person.enters()
    for size in (PHONE, DESKTOP):
        for window in (one, two):
            window.resized(size)
        one.goes_to("lobby")["#mark-unread"].click()
        for window in (one, two):
            expect(window.unread("lobby")).to_have_attribute("data-flagged", "true")
            expect(window.unread("lobby").get_by_label("Marked as unread")).to_be_attached()
        one.reloads()
        expect(one.unread("lobby")).to_have_attribute("data-flagged", "true")
        one.unread("lobby").click()
        for window in (one, two):
            expect(window.unread("lobby")).to_have_attribute("data-flagged", "false")


# ---------------------------------------------------------------- keys, and the look of things


@both_sizes
def test_a_question_mark_lists_the_keys_unless_one_writes(world: World) -> None:
    window = world.someone("kiwi").enters("#/lobby")
    window["#composer-text"].press("?")
    expect(window["#composer-text"]).to_have_value("?")
    expect(window["#keys"]).to_have_count(0)
    window["#mark-unread"].focus()
    window.page.keyboard.press("?")
    expect(window["#keys"]).to_be_visible()
    for key in ("Enter", "F6", "Esc", "?"):
        expect(window["#keys kbd"].get_by_text(key, exact=True).first).to_be_visible()
    window.page.keyboard.press("Escape")
    expect(window["#keys"]).to_have_count(0)
    window.page.evaluate("location.hash = ''")
    window.opens_settings()
    window["#open-keys"].click()
    expect(window["#keys"]).to_be_visible()


DARK, LIGHT = "rgb(18, 20, 22)", "rgb(244, 242, 238)"


def test_the_theme_is_the_systems_or_the_chosen_one_and_is_kept(world: World) -> None:
    window = world.someone("kiwi").enters()
    body = window["body"]
    for size in (PHONE, DESKTOP):
        window.resized(size).page.emulate_media(color_scheme="light")
        expect(body).to_have_css("background-color", LIGHT)
        window.opens_settings()
        window['[data-theme="dark"]'].click()
        expect(body).to_have_css("background-color", DARK)
        expect(window['[data-theme="dark"]']).to_have_attribute("aria-pressed", "true")
        window.reloads()
        expect(body).to_have_css("background-color", DARK)
        window.page.emulate_media(color_scheme="dark")
        window.opens_settings()
        window['[data-theme="light"]'].click()
        expect(body).to_have_css("background-color", LIGHT)
        window['[data-theme="system"]'].click()
        expect(body).to_have_css("background-color", DARK)
        window.page.keyboard.press("Escape")
        expect(window["#settings"]).to_be_hidden()


def test_the_size_of_the_text_is_chosen_and_nothing_is_cut_off(world: World) -> None:
    window = world.someone("kiwi").enters()
    for size, percent, pixels in ((PHONE, 150, 24), (DESKTOP, 100, 16), (DESKTOP, 150, 24)):
        window.resized(size).opens_settings()
        window[f'[data-size="{percent}"]'].click()
        window.page.keyboard.press("Escape")
        expect(window["html"]).to_have_css("font-size", f"{pixels}px")
        window.page.evaluate("location.hash = '#/people'")
        person = window[".person"].first
        expect(person).to_be_visible()
        assert person.evaluate("node => node.scrollHeight <= node.clientHeight")
        fits_sideways(window)
        window.page.evaluate("location.hash = ''")
    window.reloads()
    for size in (PHONE, DESKTOP):
        expect(window.resized(size)["html"]).to_have_css("font-size", "24px")


def fits_sideways(window: Window) -> None:
    """Nothing has to be scrolled sideways to be read."""
    assert window.page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


#: What the browser answers when it is asked whether one may be notified.
ASKED = """
window.asked = 0;
window.Notification = class { static permission = "default";
  static requestPermission = async () => { window.asked += 1; return "default"; } };
"""


def test_one_is_asked_about_notifications_when_one_wants_them_and_a_closed_question_is_explained(
    world: World,
) -> None:
    person = world.someone("kiwi", size=PHONE)
    person.context.add_init_script(ASKED)
    window = person.enters()
    window.opens_settings()
    assert window.page.evaluate("window.asked") == 0
    for times, size in enumerate((PHONE, DESKTOP), 1):
        window.resized(size)["#notify"].click()
        expect(window["#notify-note"]).to_contain_text("closed without an answer")
        expect(window["#notify"]).to_be_visible()
        assert window.page.evaluate("window.asked") == times


@both_sizes
def test_notifications_that_the_browser_denies_are_explained(world: World) -> None:
    person = world.someone("kiwi")
    person.context.add_init_script("window.Notification = class { static permission = 'denied'; };")
    window = person.enters()
    window.opens_settings()
    expect(window["#notify-note"]).to_contain_text("does not allow")
    expect(window["#notify"]).to_be_hidden()


# ---------------------------------------------------------------- other ways to look at a page


def walks_through(window: Window, size: Size) -> Window:
    """The screens that one sees most, one after the other."""
    window.resized(size).goes_to("lobby").says(f"hello from {size}")
    fits_sideways(window)
    expect(window["#composer-text"]).to_be_in_viewport()
    window.page.evaluate("location.hash = '#/people'")
    expect(window["#people-search"]).to_be_in_viewport()
    fits_sideways(window)
    window.page.evaluate("location.hash = '#/lobby'")
    expect(window["#message-list .bubble"].last).to_be_in_viewport()
    window.page.evaluate("location.hash = ''")
    return window


@pytest.mark.parametrize("zoom", [2, 4], ids=["200%", "400%"])
def test_zoomed_all_is_there_and_nothing_has_to_be_scrolled_sideways(
    world: World, zoom: int
) -> None:
    # A browser's zoom is a smaller window with larger pixels.
    width, height = 1280 // zoom, 1024 // zoom
    person = world.someone("kiwi", size=(width, height), device_scale_factor=zoom)
    walks_through(person.enters("#/lobby"), (width, height))
    window = world.newcomer(size=(width, height), device_scale_factor=zoom).window().opens()
    window["#choose-register"].click()
    window["#register-submit"].scroll_into_view_if_needed()
    expect(window["#register-submit"]).to_be_in_viewport()
    fits_sideways(window)


def test_with_forced_colours_what_is_chosen_and_what_is_whose_is_still_told(world: World) -> None:
    window = world.someone("kiwi", forced_colors="active").enters("#/lobby")
    for size in (PHONE, DESKTOP):
        walks_through(window, size)
        assert window.page.evaluate("matchMedia('(forced-colors: active)').matches")
        bubble = window["#message-list .bubble"].last
        expect(bubble).to_have_css("border-top-style", "solid")
        window.opens_settings()
        chosen = window['#settings-theme [aria-pressed="true"]']
        assert chosen.evaluate("node => getComputedStyle(node).borderTopWidth") != "0px"
        window.page.keyboard.press("Escape")
        expect(window["#settings"]).to_be_hidden()


def test_where_less_motion_is_wanted_nothing_moves(world: World) -> None:
    window = world.someone("kiwi", reduced_motion="reduce").enters("#/lobby")
    for size in (PHONE, DESKTOP):
        walks_through(window, size).opens_settings()
        nothing_moves(window)
        window.page.keyboard.press("Escape")


def nothing_moves(window: Window) -> None:
    moving = "document.getAnimations().map((one) => one.animationName ?? one.transitionProperty)"
    assert window.page.evaluate(moving) == []
    slow = """[...document.querySelectorAll('*')].filter((node) => {
      const { transitionDuration, animationName } = getComputedStyle(node);
      return animationName !== 'none' || transitionDuration.split(', ').some((one) => one !== '0s');
    }).map((node) => node.id || node.className)"""
    assert window.page.evaluate(slow) == []
