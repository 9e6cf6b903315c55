"""The floors of the house: who may import whom."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from chatroom.common.counters import Count

#: It reads the code and runs none of it; measured for coverage it takes thrice as long.
pytestmark = pytest.mark.no_cover

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "chatroom"

#: Lowest first. A name stands for a package and all that is in it.
FLOORS = (
    ("chatroom", "chatroom.common", "chatroom.protocol"),
    ("chatroom.config", "chatroom.delivery", "chatroom.limits", "chatroom.store"),
    ("chatroom.accounts", "chatroom.conversations", "chatroom.moderation", "chatroom.presence"),
    ("chatroom.store.redis", "chatroom.store.valkey"),
    ("chatroom.node",),
    ("chatroom.sessions",),
    ("chatroom.transports",),
    ("chatroom.ops",),
    ("chatroom.admin", "chatroom.service"),
)
#: Those of the client, which stands beside the server.
CLIENT_FLOORS = (
    ("chatroom.client.base",),
    ("chatroom.client.state",),
    ("chatroom.client.connection",),
    ("chatroom.client",),
    ("chatroom.terminal",),
)
#: Where the store is put together, and where a reactor may be asked for.
WIRING = ("chatroom.admin", "chatroom.ops", "chatroom.service")
#: What the domain may know of the store, and what an operator says of it.
STORE_INTERFACE = {f"chatroom.store.{name}" for name in ("events", "interface", "records")}
#: What the client may know of the rest.
FOR_THE_CLIENT = (
    *("chatroom", "chatroom.protocol.codec", "chatroom.protocol.messages"),
    *("chatroom.protocol.display_names", "chatroom.protocol.refusals"),
    *("chatroom.common.clock", "chatroom.common.waiting", "chatroom.common.fingerprint"),
)
#: Packages that one module wraps.
WRAPPED = {
    "txredisapi": "chatroom.store.redis.connection",
    "argon2": "chatroom.accounts.passwords",
    "autobahn": "chatroom.transports.web.websocket",
    "wcwidth": "chatroom.terminal.screen.glyphs",
}
#: The server's modules that need more of the time than a clock that they are given.
OWN_TIME = {
    # What a reactor of ours takes for the time.
    "chatroom.common.clock",
    # It looks for a leftover before the reactor runs.
    "chatroom.store.valkey.leftover",
}
#: Who may ask what time of day it is. Durations are not to be taken from that: clocks are set.
WALL_CLOCK = {
    "chatroom.admin.store_check",
    # To tell which reactors do.
    "chatroom.common.clock",
    # A certificate has a first and a last day.
    "chatroom.ops.listening",
}
#: What tells the time of day.
WALL_TIMES = {
    *("time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime"),
    *("time.clock_gettime", "time.clock_gettime_ns", "time.strftime", "time.asctime"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
    *("datetime.date.today", "twisted.python.runtime.seconds"),
}
#: Lines of code in a module, without blank lines, comments and docstrings.
MOST_CODE = 300
#: Lines of a function, from its name to its end.
MOST_LINES = 60
#: Modules in a folder.
MOST_MODULES = 12


def module_of(path: Path) -> str:
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] in ("__init__", "__main__") else parts)


SOURCES = {path: path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {path: ast.parse(source) for path, source in SOURCES.items()}
MODULES = {module_of(path) for path in SOURCES}
CLIENT = [path for path in SOURCES if path.relative_to(PACKAGE).parts[0] in ("client", "terminal")]
SERVER = [path for path in SOURCES if path not in CLIENT and path.name != "__main__.py"]


def each(paths: Iterable[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Make one test of what is to hold for each of these; it names all for which it does not."""

    def one_test(check: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            failed = []
            for path in paths:
                try:
                    check(path)
                except AssertionError as error:
                    error.add_note(module_of(path))
                    failed.append(error)
            if failed:
                raise ExceptionGroup(f"{len(failed)} modules", failed)

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return one_test


every_module = each(SOURCES)


def statements(tree: ast.AST, *, in_functions: bool) -> Iterator[ast.AST]:
    """All statements and expressions, those for type checkers included."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            if not in_functions:
                continue
        yield node
        yield from statements(node, in_functions=in_functions)


@cache
def imports(path: Path, *, in_functions: bool = True) -> set[str]:
    """What a module imports: modules, and what is taken from them, by their full names."""
    names = set()
    for node in statements(TREES[path], in_functions=in_functions):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "imports are absolute"
            taken = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= taken
            # "from chatroom.protocol import messages" is about that module, not about the package.
            if not taken <= MODULES:
                names.add(node.module)
    return names


def package(module: str, floors: tuple[tuple[str, ...], ...]) -> str:
    """The longest name in the floors that the module is, or is in."""
    names = {name for names in floors for name in names}
    while module not in names:
        module, dot, _ = module.rpartition(".")
        assert dot, "it stands on no floor: give it one here and in docs/architecture.md"
    return module


def floor(module: str, floors: tuple[tuple[str, ...], ...] = FLOORS) -> int:
    name = package(module, floors)
    return next(number for number, names in enumerate(floors) if name in names)


@each(SERVER)
def test_a_module_imports_only_from_its_own_floor_and_below(path: Path) -> None:
    module = module_of(path)
    for other in imports(path) & MODULES:
        assert not other.startswith(("chatroom.client", "chatroom.terminal"))
        assert floor(other) <= floor(module), f"{module} imports {other} from above"


def test_no_module_is_part_of_a_circle() -> None:
    modules = [path for path in SOURCES if path.name != "__main__.py"]
    above = {module_of(path): imports(path) & MODULES - {module_of(path)} for path in modules}
    # Raises CycleError, which names the circle.
    TopologicalSorter(above).prepare()


@each(SERVER)
def test_only_the_wiring_knows_more_of_the_store_than_its_interface(path: Path) -> None:
    module = module_of(path)
    if module.startswith("chatroom.store") or package(module, FLOORS) in WIRING:
        return
    known = {other for other in imports(path) & MODULES if other.startswith("chatroom.store")}
    assert known <= STORE_INTERFACE


def test_the_transports_do_not_know_one_another() -> None:
    for path in SERVER:
        if module_of(path).startswith("chatroom.transports.web"):
            assert "chatroom.transports.tcp" not in imports(path)
        elif module_of(path).startswith("chatroom.transports"):
            assert not any(one.startswith("chatroom.transports.web") for one in imports(path))


@each(CLIENT)
def test_the_client_stands_on_the_protocol_alone(path: Path) -> None:
    module = module_of(path)
    for other in imports(path) & MODULES:
        if other.startswith(("chatroom.client", "chatroom.terminal")):
            level, own = floor(other, CLIENT_FLOORS), floor(module, CLIENT_FLOORS)
            assert level <= own, f"{module} imports {other} from above"
        else:
            assert other in FOR_THE_CLIENT


@every_module
def test_no_module_chooses_the_reactor(path: Path) -> None:
    """Importing it installs one: twistd and the client choose theirs first."""
    assert "twisted.internet.reactor" not in imports(path, in_functions=False)


@each(SERVER)
def test_the_server_is_given_its_reactor_and_never_sleeps(path: Path) -> None:
    module = module_of(path)
    names = imports(path)
    if package(module, FLOORS) not in WIRING:
        assert "twisted.internet.reactor" not in names
    if module not in OWN_TIME:
        assert "time" not in names


def full_names(path: Path) -> set[str]:
    """What a module's code names, as if each thing were written with the module it is from."""
    known: dict[str, str] = {}
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            known |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    found = set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Attribute | ast.Name):
            first, dot, rest = ast.unparse(node).partition(".")
            found.add(known.get(first, first) + dot + rest)
    return found


@every_module
def test_only_those_who_need_a_date_ask_for_the_time_of_day(path: Path) -> None:
    asked = full_names(path) & WALL_TIMES
    assert not asked or module_of(path) in WALL_CLOCK, f"{asked}: durations are a clock's"


def test_each_that_may_ask_for_the_time_of_day_does() -> None:
    asking = {module_of(path) for path in SOURCES if full_names(path) & WALL_TIMES}
    assert asking == WALL_CLOCK


@every_module
def test_a_wrapped_package_is_imported_in_one_place(path: Path) -> None:
    names = {name.partition(".")[0] for name in imports(path)}
    for package, place in WRAPPED.items():
        assert package not in names or module_of(path) == place


@every_module
def test_a_module_is_no_longer_than_can_be_read_at_once(path: Path) -> None:
    source = SOURCES[path]
    docstrings: set[int] = set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            code |= set(range(token.start[0], token.end[0] + 1))
    assert len(code - docstrings) <= MOST_CODE


@every_module
def test_a_function_is_no_longer_than_a_screen(path: Path) -> None:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= MOST_LINES, f"{node.name} has {lines} lines"


def test_no_folder_has_more_modules_than_can_be_seen_at_once() -> None:
    modules = Counter(path.parent for path in SOURCES if path.name != "__init__.py")
    assert max(modules.values()) <= MOST_MODULES, modules.most_common(3)


_NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}


def test_every_counter_counts_something() -> None:
    counted = {
        node.attr
        for path in SERVER
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Count"
    }
    assert counted == set(Count.__members__)


def test_the_document_has_a_line_for_every_package() -> None:
    document = (CHECKOUT / "docs" / "architecture.md").read_text("utf-8")
    for folder in {path.parent for path in SOURCES}:
        name = str(folder.relative_to(CHECKOUT))
        assert f"\n| `{name}/` |" in document, f"{name}/ has no line in docs/architecture.md"
