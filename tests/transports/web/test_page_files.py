"""The page's files keep to the rules that its Content-Security-Policy and its size set."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

import chatroom
from chatroom.transports.web.comments import without_comments

STATIC = Path(chatroom.__file__).parent / "transports" / "web" / "static"
SOURCES = {".css", ".html", ".js", ".svg"}
FILES = sorted(
    path
    for path in STATIC.rglob("*")
    if path.suffix in {".html", ".css", ".js", ".svg", ".webmanifest"}
)
MODULES = sorted(path for path in FILES if path.suffix == ".js")
PAGE = (STATIC / "index.html").read_text("utf-8")
#: Bytes that the first load may have, compressed: all that one has to have to read and write.
MOST = 60_000
#: What would make markup, or code, of a text.
MARKUP = (
    "createContextualFragment",
    "document.write",
    "DOMParser",
    "eval(",
    "innerHTML",
    "insertAdjacentHTML",
    "new Function",
    "outerHTML",
    "setHTMLUnsafe",
)
#: Modules of which only one is fetched: the words of a language.
LANGUAGES = re.compile(r"strings-\w+\.js")


def imported(path: Path, *, lazily: bool) -> set[Path]:
    """The modules that one imports as it is loaded, or when it comes to that."""
    call = r"import\(" if lazily else r"from |^import "
    return {
        path.parent / name
        for name in re.findall(rf'(?:{call})"\./([\w.-]+)"', path.read_text("utf-8"), re.MULTILINE)
    }


def first_load() -> set[Path]:
    """The page, all that it names, and what these import at once; without the words."""
    named = [*re.findall(r'(?:href|src)="/static/([^"]+)"', PAGE), "sw.js"]
    found: set[Path] = set()
    todo = {STATIC / "index.html"} | {STATIC / name for name in named}
    while todo:
        path = todo.pop()
        found.add(path)
        todo |= imported(path, lazily=False) - found if path.suffix == ".js" else set()
    # An installed page alone has pictures.
    return {path for path in found if path.suffix != ".png"}


def test_the_first_load_is_small() -> None:
    sent = {path: without_comments(path.name, path.read_bytes()) for path in FILES}
    sizes = {path: len(gzip.compress(body, 9)) for path, body in sent.items()}
    words = [size for path, size in sizes.items() if LANGUAGES.fullmatch(path.name)]
    assert sum(sizes[path] for path in first_load()) + max(words) <= MOST


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_all_is_sent_but_for_comments(path: Path) -> None:
    written = path.read_bytes().split(b"\n")
    sent = without_comments(path.name, path.read_bytes()).split(b"\n")
    assert len(sent) == len(written)
    inside = False
    for line, there in zip(written, sent, strict=True):
        # No template goes over several lines: what looks like a comment is one.
        bare = re.sub(rb'"[^"]*"|/.*`.*/', b"", line)
        assert bare.count(b"`") % 2 == 0 or path.suffix != ".js"
        stripped = line.strip()
        inside = inside or stripped.startswith(b"/*")
        if there != line:
            assert there == b""
            assert inside or stripped.startswith(b"//")
        inside = inside and b"*/" not in stripped


def test_nothing_in_the_page_is_inline() -> None:
    assert "style=" not in PAGE
    assert "<style" not in PAGE
    assert not re.search(r"\son\w+=", PAGE)
    assert set(re.findall(r"<script[^>]*>(.*?)</script>", PAGE, re.DOTALL)) == {""}


def test_passwords_are_masked_and_a_browser_may_keep_and_fill_them() -> None:
    fields = re.findall(r'<input [^>]*id="[\w-]*password[^>]*>', PAGE)
    secret = [field for field in fields if 'autocomplete="username"' not in field]
    assert len(secret) == 5
    for field in secret:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(current|new)-password"', field)
        assert "maxlength" not in field
    for path in MODULES:
        assert '"paste"' not in path.read_text("utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_fetches_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text("utf-8").replace('"http://www.w3.org/2000/svg"', "")
    assert not re.search(r"""(src|href|url|import)\W{0,3}["'(]\s*(https?:)?//""", text)
    assert "@import" not in text


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_makes_no_markup_or_code_of_text(path: Path) -> None:
    text = path.read_text("utf-8")
    for name in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "DOMParser",
    ):
        assert name not in text
    assert "new Function" not in text
    assert "createContextualFragment" not in text


def test_all_modules_are_fetched_at_once_and_not_one_after_the_other() -> None:
    named = {STATIC / name for name in re.findall(r'"/static/(js/[\w-]+\.js)"', PAGE)}
    assert named == {path for path in first_load() if path.parent.name == "js"}


def test_a_module_that_is_not_fetched_at_once_is_fetched_when_it_comes_to_that() -> None:
    lazy = set().union(*(imported(path, lazily=True) for path in MODULES))
    later = lazy | set().union(*(imported(path, lazily=False) for path in lazy))
    assert set(MODULES) <= first_load() | later


def test_what_the_page_imports_is_there() -> None:
    for path in MODULES:
        for name in re.findall(r'(?:from|import)\s*\(?"\./([\w.-]+)"', path.read_text("utf-8")):
            assert (path.parent / name).is_file(), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_says_first_what_its_job_is(path: Path) -> None:
    assert path.read_text("utf-8").startswith("// ")


def test_ids_are_there_once_and_all_that_the_modules_ask_for() -> None:
    ids = re.findall(r'\bid="([\w-]+)"', PAGE)
    assert len(ids) == len(set(ids))
    for path in MODULES:
        for name in re.findall(r'\$\("([\w-]+)"\)', path.read_text("utf-8")):
            assert name in ids, f"{path.name} asks for #{name}"
