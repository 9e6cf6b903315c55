"""Two hundred people keep talking while a server is attacked, and notice nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.system.attacks.attacker import ATTACKS, TRUSTED_PROXY, Target
from tests.system.attacks.crowd import LEAST
from tests.system.attacks.quiet import Period, Quiet
from tests.system.attacks.web_attacker import WEB_ATTACKS
from tests.system.lab import Lab, Server
from tests.system.test_web import WEB, web_port

PEOPLE = 200
FIRST_ID = 50_001

_own_ids = count(60_000, 1000)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server as it is started for the internet, with nothing eased but the passwords' cost."""
    lab = Lab(tmp_path_factory.mktemp("attacked"))
    try:
        yield lab.server(*WEB, "--trusted-proxy", TRUSTED_PROXY, limited=True)
    finally:
        lab.close()


@pytest.fixture(scope="module")
def quiet(attacked: Server) -> Iterator[Quiet]:
    """They talk on from one attack to the next, so that what one leaves behind is noticed, too."""
    with Quiet(attacked.port, first_id=FIRST_ID, size=PEOPLE) as quiet:
        noticed_nothing(quiet.period())
        yield quiet
        noticed_nothing(quiet.period())


def noticed_nothing(period: Period) -> None:
    assert (period.missing, period.troubles) == (0, [])
    assert period.delivered >= LEAST * (PEOPLE - 1)


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS + WEB_ATTACKS, ids=lambda attack: str(attack.__name__))
def test_nobody_notices(
    attacked: Server,
    quiet: Quiet,
    attack: Callable[[Target], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    ports = attacked.port, web_port(attacked)
    outcome = attack(Target(*ports, victim=FIRST_ID, own_ids=next(_own_ids)))
    during = quiet.period()
    with capsys.disabled():
        print(
            f"\n  {attack.__name__}: {outcome}; p99 {during.p99_ms} ms"
            f" during it, {during.delivered} messages delivered",
            end="",
        )
    noticed_nothing(during)
    log = attacked.log()
    assert "Traceback" not in log
    assert "[-#critical]" not in log
