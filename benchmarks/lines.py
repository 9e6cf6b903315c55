"""What is measured: each line of the table runs the server, and beside it the raw fan-out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import NamedTuple

from benchmarks.programs import (
    BenchmarkError,
    Chatroom,
    Kit,
    Load,
    Peak,
    Raw,
    Result,
    Target,
    frame_size,
    template,
)
from benchmarks.seed import PASSWORD

SENDERS = 10
#: Messages a second where the server is not to be busy.
CALM = 20
#: Logins under way at once in a storm.
AT_ONCE = 100
#: What a queue for one client may hold, in bytes: the default of ``--send-queue``.
SEND_QUEUE = 1024 * 1024


class Plan(NamedTuple):
    """How long and how often."""

    seconds: float
    warm_up: float = 1.0
    times: int = 3


class Figure(NamedTuple):
    """A number, and what it is compared to: each with the ratio of ours to it."""

    what: str
    value: str
    others: tuple[str, ...] = ()


class Section(NamedTuple):
    """One measurement's part of the table."""

    title: str
    #: What the columns beside ours hold.
    columns: tuple[str, ...]
    figures: list[Figure]
    #: What the reader has to know to believe it.
    remarks: list[str]


def _median(results: list[Result], key: str) -> float:
    return float(median(result[key] for result in results))


def _each(result: Result, per: str = "deliveries") -> Result:
    """The result, with what it makes for each delivery (or login)."""
    result["deliveries"] = result["messages"] + result["acks"]
    count = result[per] or 1
    result["rate"] = result[per] / result["seconds"]
    result["cpu_each"] = result["cpu"][0] / count * 1e6
    result["store_each"] = (result["cpu"][1] if len(result["cpu"]) > 1 else 0.0) / count * 1e6
    result["load_each"] = result["load_cpu"] / count * 1e6
    result["server_busy"] = sum(result["cpu"]) / result["seconds"]
    result["load_busy"] = result["load_cpu"] / result["seconds"]
    return result


def _bottleneck(results: list[Result], whose: str) -> list[str]:
    """A remark if the load cost more than what it was put on."""
    load, server = _median(results, "load_busy"), _median(results, "server_busy")
    if load <= server:
        return []
    return [f"The load was the bottleneck of {whose}: {load:.0%} of a core against {server:.0%}."]


# ---------------------------------------------------------------- messages


def _messages(kit: Kit, target: Target, plan: Plan, *command: int, kind: str = "room") -> Result:
    users = command[0] + (command[4] if len(command) > 4 else 0)
    settings = template(kit, raw=target.raw, private=kind == "pairs")
    with (
        target,
        Load(
            kit, target, kind, *command, **settings, warm_up=plan.warm_up, seconds=plan.seconds
        ) as load,
    ):
        if target.raw:
            return _each(load.step())
        with Peak(target.processes[0]) as peak:
            result = _each(load.step())
        result["memory"] = peak.most
        result["users"] = users
        return result


def _compare(
    kit: Kit, plan: Plan, modes: tuple[str, ...], *command: int, kind: str = "room"
) -> dict[str, list[Result]]:
    """The server and the raw fan-out in turn, so that all have the same noise."""
    results: dict[str, list[Result]] = {name: [] for name in ("chatroom", *modes)}
    size = frame_size(kit, private=kind == "pairs")
    for _ in range(plan.times):
        server = Chatroom(kit, command[0] + 10)
        results["chatroom"].append(_messages(kit, server, plan, *command, kind=kind))
        for mode in modes:
            raw = Raw(kit, mode, size)
            results[mode].append(_messages(kit, raw, plan, *command, kind=kind))
    return results


def _number(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def _figures(results: dict[str, list[Result]], one: str, many: str) -> Iterator[Figure]:
    """The usual lines: `results` holds ours first."""
    ours, *others = results.values()
    for what, key, scale in (
        (f"{many}/s", "rate", 1),
        (f"CPU per {one}, µs", "cpu_each", 1),
        ("its store's CPU beside it", "store_each", 1),
        ("latency p50, ms", "p50", 1000),
        ("latency p99, ms", "p99", 1000),
        ("latency max, ms", "max", 1000),
    ):
        value = _median(ours, key) / scale
        raw = [_median(other, key) / scale for other in others if key != "store_each"]
        cells = [cell for it in raw for cell in (_number(it), f"{value / it:.2f}")]
        yield Figure(what, _number(value), tuple(cells))


def room(kit: Kit, plan: Plan, users: int, *, window: int = 0) -> Section:
    """Messages to everybody: saturated where senders have a window, else calm."""
    rate = 0 if window else CALM
    modes = ("coalesce", "each")
    results = _compare(kit, plan, modes, users, SENDERS, window, rate, 0)
    how = f"saturated, {SENDERS} x {window} in flight" if window else f"{CALM} messages/s"
    figures = list(_figures(results, "delivery", "deliveries"))
    columns = ("raw, coalescing", "ratio", "raw, one write each", "ratio")
    got = results["chatroom"][0]
    remarks = [f"{got['bytes'] / got['deliveries']:.0f} bytes a delivery on the wire."]
    for name, found in results.items():
        remarks += _bottleneck(found, name) if window else []
    return Section(f"{users:,} users, {how}", columns, figures, remarks)


def private(kit: Kit, plan: Plan) -> Section:
    """Private messages between neighbours, stored in both mailboxes and acknowledged."""
    results = _compare(kit, plan, ("pair",), 200, 2, kind="pairs")
    for found in results.values():
        for result in found:
            result["rate"] = result["acks"] / result["seconds"]
            for key in ("cpu_each", "store_each"):
                result[key] *= result["deliveries"] / result["acks"]
    figures = list(_figures(results, "message", "messages"))
    columns = ("raw, to two", "ratio")
    remarks = _bottleneck(results["chatroom"], "chatroom")
    return Section("Private messages, 200 users, 2 in flight each", columns, figures, remarks)


def never_reads(kit: Kit, plan: Plan) -> Section:
    """1,000 users, one of whom never reads: what it costs the others, and in memory."""
    with_it: list[Result] = []
    without: list[Result] = []
    window = 4
    for _ in range(plan.times):
        for neglected, results in ((0, without), (1, with_it)):
            command = (1000 - neglected, SENDERS, window, 0, neglected)
            results.append(_messages(kit, Chatroom(kit, 1010), plan, *command))
    figures = []
    for what, key, scale in (
        ("deliveries/s to the others", "rate", 1),
        ("CPU per delivery, µs", "cpu_each", 1),
        ("latency p99, ms", "p99", 1000),
        ("most memory, MiB", "memory", 1024 * 1024),
    ):
        a, b = _median(with_it, key) / scale, _median(without, key) / scale
        figures.append(Figure(what, _number(a), (_number(b), f"{a / b:.2f}")))
    grown = _median(with_it, "memory") - _median(without, "memory")
    among = [result["memory"] for result in without]
    remarks = [
        (
            f"Memory differs by {grown / SEND_QUEUE:+.2f} of the bound ({SEND_QUEUE} bytes); "
            f"runs in which all read differ by {(max(among) - min(among)) / SEND_QUEUE:.2f} of it."
        )
    ]
    columns = ("all read", "ratio")
    return Section("One of 1,000 never reads, saturated", columns, figures, remarks)


# ---------------------------------------------------------------- sessions


def idle(kit: Kit, plan: Plan, *steps: int) -> Section:
    """Memory of the server's process for each session that is logged in and says nothing."""
    steps = tuple(sorted({min(step, kit.most_clients) for step in steps}))
    found: dict[int, list[float]] = {step: [] for step in steps}
    for _ in range(plan.times):
        with Chatroom(kit, max(steps)) as server:
            before = server.memory
            with Load(kit, server, "idle", *steps) as load:
                for step in steps:
                    load.step()
                    found[step].append((server.memory - before) / step)
                    load.go_on()
    figures = [
        Figure(f"{step:,} sessions: bytes for each", f"{median(sizes):,.0f}")
        for step, sizes in found.items()
    ]
    remarks = ["Of resident memory; buffers of the kernel's own come on top, raw or not."]
    return Section("Idle sessions", (), figures, remarks)


def storm(kit: Kit, plan: Plan, users: int, *, password: bool) -> Section:
    """Everybody logs in at once."""
    results: dict[str, list[Result]] = {"chatroom": [], "echo": []}
    secret = PASSWORD if password else ""
    for _ in range(plan.times):
        for name in results:
            target: Target = Chatroom(kit, users) if name == "chatroom" else Raw(kit, "echo", 1)
            with target, Load(kit, target, "storm", users, AT_ONCE, password=secret) as load:
                results[name].append(_each(load.step(), "logins"))
    how = "passwords" if password else "tokens"
    figures = list(_figures(results, "login", "logins"))
    columns = ("raw, an echo", "ratio")
    return Section(f"{users:,} logins with {how}, {AT_ONCE} at once", columns, figures, [])


def login_cost(kit: Kit, plan: Plan, few: int, many: int) -> Section:
    """CPU of a login with a token, and of its end, with few and with many online."""
    logins, rate = 300, 100
    many = min(many, kit.most_clients - logins)
    found: dict[int, list[float]] = {few: [], many: []}
    for _ in range(plan.times):
        for online, costs in found.items():
            with Chatroom(kit, online + logins) as server:
                with Load(kit, server, "churn", online, logins, rate) as load:
                    quiet, busy = load.step(), load.step()
                if busy["logins"] != logins:
                    raise BenchmarkError(f"only {busy['logins']} of {logins} logins were answered")
                background = quiet["cpu"][0] / quiet["seconds"] * busy["seconds"]
                costs.append((busy["cpu"][0] - background) / logins * 1e6)
    low, high = median(found[few]), median(found[many])
    figures = [
        Figure(f"{many:,} online: CPU, µs", _number(high), (_number(low), f"{high / low:.2f}"))
    ]
    columns = (f"{few:,} online", "ratio")
    remarks = [f"A login and its end, {rate} of them a second."]
    return Section("A login with a token", columns, figures, remarks)


Line = Callable[[Kit], Section]


def quick() -> list[Line]:
    """The main lines."""
    plan = Plan(seconds=3, times=3)
    return [
        lambda kit: room(kit, plan, 1000, window=16),
        lambda kit: room(kit, plan, 1000),
        lambda kit: login_cost(kit, Plan(0, times=1), 100, 5000),
        lambda kit: idle(kit, Plan(0, times=1), 5000),
    ]


def everything() -> list[Line]:
    plan = Plan(seconds=5)
    calm = Plan(seconds=8)
    return [
        lambda kit: room(kit, plan, 200, window=16),
        lambda kit: room(kit, calm, 200),
        lambda kit: room(kit, plan, 1000, window=1),
        lambda kit: room(kit, plan, 1000, window=4),
        lambda kit: room(kit, plan, 1000, window=16),
        lambda kit: room(kit, plan, 1000, window=40),
        lambda kit: room(kit, calm, 1000),
        lambda kit: private(kit, plan),
        lambda kit: never_reads(kit, Plan(seconds=8)),
        lambda kit: idle(kit, plan, 5000, 15000),
        lambda kit: storm(kit, plan, 300, password=True),
        lambda kit: storm(kit, plan, 3000, password=False),
        lambda kit: login_cost(kit, plan, 100, 10000),
    ]
