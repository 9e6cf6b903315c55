"""A site on a node in memory, with a page of three files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from chatroom.transports.web.addressing import Hosts, Proxies
from chatroom.transports.web.files import read_files
from chatroom.transports.web.site import Site
from tests.transports.web.browser import HOST, Tab
from tests.world import World

PAGE = b"<!doctype html><title>page</title>"
SCRIPT = b"export const answer = 42;\n" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's files, one of them in all encodings."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "index.html").write_bytes(PAGE)
    (tmp_path / "style.css").write_bytes(b"body {}")
    script = tmp_path / "parts" / "app.js"
    script.write_bytes(SCRIPT)
    script.with_name("app.js.gz").write_bytes(b"as gzip")
    script.with_name("app.js.br").write_bytes(b"as brotli")
    return tmp_path


@pytest.fixture
def make_site(world: World, folder: Path) -> Callable[..., Site]:
    def make(
        *,
        trusted: str = "",
        hosts: tuple[str, ...] = (HOST,),
        max_frame: int = 65536,
        send_queue: int = 1 << 20,
    ) -> Site:
        proxies = Proxies([ip_network(trusted)] if trusted else [])
        return Site(
            world.clock,
            world.node(),
            read_files(folder),
            proxies,
            Hosts(hosts),
            max_frame=max_frame,
            send_queue=send_queue,
        )

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


@pytest.fixture
def tab(site: Site) -> Tab:
    """A connection on which nothing was asked yet."""
    return Tab(site)


@pytest.fixture
def real_tab(site: Site, world: World) -> Iterator[Callable[..., Tab]]:
    """Makes connections on real sockets."""
    tabs: list[Tab] = []

    def make(of: Any = None) -> Tab:
        tabs.append(Tab(of or site, clock=world.clock))
        return tabs[-1]

    yield make
    for tab in tabs:
        tab.leaves()
