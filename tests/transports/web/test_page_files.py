"""The page's files keep to the rules that its Content-Security-Policy and its size set."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from enum import IntEnum
from graphlib import TopologicalSorter
from os.path import normpath
from pathlib import Path

import pytest

import chatroom
from chatroom.protocol.messages import Code, Status
from chatroom.transports.web.files import without_comments

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
LANGUAGES = [STATIC / "js" / "browser" / "strings" / f"{language}.js" for language in ("en", "zh")]
#: The folders of modules, each of which imports from those before it alone. What is imported when
#: it comes to that may be anywhere.
FLOORS = ("base", "session", "browser/strings", "browser", "view", "lazy", "")
#: Most modules in one folder.
MOST_IN_A_FOLDER = 12


def imported(path: Path, *, lazily: bool) -> set[Path]:
    """The modules that one imports as it is loaded, or when it comes to that."""
    call = r"import\(" if lazily else r"from |^import "
    found = re.findall(rf'(?:{call})"(\.\.?/[\w./-]+)"', path.read_text("utf-8"), re.MULTILINE)
    return {Path(normpath(path.parent / name)) for name in found}


def name_of(path: Path) -> str:
    """A file by its path within the page, as a test is named after it."""
    return path.relative_to(STATIC).as_posix()


def floor_of(path: Path) -> int:
    """Which of the `FLOORS` a module is on."""
    folder = path.parent.relative_to(STATIC / "js").as_posix()
    return FLOORS.index("" if folder == "." else folder)


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
    words = max(sizes[path] for path in LANGUAGES)
    assert sum(sizes[path] for path in first_load()) + words <= MOST


@pytest.mark.parametrize("path", FILES, ids=name_of)
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


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_fetches_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text("utf-8").replace('"http://www.w3.org/2000/svg"', "")
    assert not re.search(r"""(src|href|url|import)\W{0,3}["'(]\s*(https?:)?//""", text)
    assert "@import" not in text


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_makes_no_markup_or_code_of_text(path: Path) -> None:
    text = path.read_text("utf-8")
    assert [name for name in MARKUP if name in text] == []


def test_all_modules_are_fetched_at_once_and_not_one_after_the_other() -> None:
    named = {STATIC / name for name in re.findall(r'"/static/(js/[\w/-]+\.js)"', PAGE)}
    assert named == {path for path in first_load() if STATIC / "js" in path.parents}


def test_a_module_that_is_not_fetched_at_once_is_fetched_when_it_comes_to_that() -> None:
    lazy = set().union(*(imported(path, lazily=True) for path in MODULES))
    later = lazy | set().union(*(imported(path, lazily=False) for path in lazy))
    assert set(MODULES) <= first_load() | later


def test_what_the_page_imports_is_there() -> None:
    for path in MODULES:
        for there in imported(path, lazily=False) | imported(path, lazily=True):
            assert there in MODULES, f"{name_of(path)} imports {there}"


def test_every_import_is_a_path_that_these_tests_read() -> None:
    for path in MODULES:
        text = path.read_text("utf-8")
        written = re.findall(
            r"^(?:import|export)\b.*?\bfrom\b|^import \"|\bimport\(", text, re.MULTILINE
        )
        read = re.findall(r'(?:from |^import |import\()"\.\.?/[\w./-]+"', text, re.MULTILINE)
        assert len(read) == len(written), f"{name_of(path)} imports in another way"


def test_no_module_imports_from_a_folder_above_its_own() -> None:
    for path in MODULES:
        if path.name == "sw.js":
            continue
        for there in imported(path, lazily=False):
            assert floor_of(there) <= floor_of(path), f"{name_of(path)} imports {name_of(there)}"


def test_no_modules_import_one_another_in_a_circle() -> None:
    both = {path: imported(path, lazily=False) | imported(path, lazily=True) for path in MODULES}
    TopologicalSorter(both).prepare()


def test_few_modules_are_in_a_folder() -> None:
    folders = Counter(path.parent for path in MODULES)
    assert max(folders.values()) <= MOST_IN_A_FOLDER, folders


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_first_what_its_job_is(path: Path) -> None:
    assert path.read_text("utf-8").startswith("// ")


def test_ids_are_there_once_and_all_that_the_modules_ask_for() -> None:
    ids = re.findall(r'\bid="([\w-]+)"', PAGE)
    assert len(ids) == len(set(ids))
    for path in MODULES:
        for name in re.findall(r'\$\("([\w-]+)"\)', path.read_text("utf-8")):
            assert name in ids, f"{path.name} asks for #{name}"


@pytest.mark.parametrize(("name", "numbers"), [("CODE", Code), ("STATUS", Status)])
def test_the_page_has_the_names_of_the_protocol(name: str, numbers: type[IntEnum]) -> None:
    wire = (STATIC / "js" / "base" / "wire.js").read_text("utf-8")
    block = re.search(rf"export const {name} = Object\.freeze\(\{{(.*?)\}}\)", wire, re.DOTALL)
    assert block is not None
    found = {key: int(number) for key, number in re.findall(r"(\w+): (\d+)", block[1])}
    assert found == {one.name: one.value for one in numbers}
