"""What an operator writes, on the command line or in the environment, and what comes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from chatroom.config import settings
from chatroom.config.errors import StartError
from chatroom.config.option_parsers import Admission, Argon2
from chatroom.config.options import OPTIONS, Settings
from chatroom.config.redis_address import RedisAddress
from chatroom.ops.twistd_options import Options
from tests.certificates import Issued

CHECKOUT = Path(__file__).parents[2]
MINE, OTHER = Issued.make("localhost"), Issued.make("localhost")


def parsed(*arguments: str) -> Settings:
    options = Options()
    options.parseOptions(arguments)
    return options.settings()


def refusal(*arguments: str) -> str:
    """The one line that a person sees."""
    with pytest.raises(SystemExit) as caught:
        parsed(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_no_option_gives_the_defaults() -> None:
    assert parsed() == Settings(
        listen=("tcp:8889",),
        tls_self_signed=False,
        web=(),
        web_host=(),
        trusted_proxy=(),
        redis=None,
        data=Path.cwd() / "chatroom-data",
        node=None,
        fsync="everysec",
        store_timeout=4.0,
        min_password_length=6,
        password_policy="open",
        registration=Admission(),
        registration_rate=20,
        login_failures=10,
        login_timeout=30.0,
        max_logins=100,
        argon2=Argon2(2, 19456, 1),
        hash_threads=2,
        max_frame=65536,
        message_burst=20,
        message_rate=5,
        byte_rate=131072,
        max_per_address=100,
        max_connections=None,
        send_queue=1048576,
        room_history=100000,
        mailbox_unread=10000,
        mailbox_history=10000,
    )


def test_the_command_line_and_the_environment_say_the_same() -> None:
    said = {
        "listen": "tcp:1234",
        "tls-self-signed": "1",
        "web": "tcp:8890",
        "web-host": "Chat.Example.org",
        "trusted-proxy": "10.0.0.1/8",
        "redis": "rediss://me:secret@example.org:7000/3",
        "data": "/srv/chat",
        "node": "left",
        "fsync": "always",
        "store-timeout": "2.5",
        "min-password-length": "8",
        "password-policy": "strict",
        "registration": "invite:a:secret",
        "registration-rate": "0",
        "login-failures": "5",
        "login-timeout": "0",
        "max-logins": "10",
        "argon2": "3,65536,4",
        "hash-threads": "4",
        "max-frame": "100000",
        "message-burst": "30",
        "message-rate": "0",
        "byte-rate": "70000",
        "max-per-address": "3",
        "max-connections": "1000",
        "send-queue": "50000",
        "room-history": "10",
        "mailbox-unread": "20",
        "mailbox-history": "0",
    }
    assert said.keys() == {option.name for option in OPTIONS}
    flags = {option.name for option in OPTIONS if option.flag}
    by_options = parsed(
        *(f"--{name}" if name in flags else f"--{name}={text}" for name, text in said.items())
    )
    by_environment = settings.from_environment(
        {"CHATROOM_" + name.upper().replace("-", "_"): text for name, text in said.items()}
    )
    assert by_options == by_environment
    assert by_options.redis == RedisAddress(
        host="example.org", port=7000, tls=True, username="me", password="secret", db=3
    )
    assert by_options.tls_self_signed
    assert by_options.web == ("tcp:8890",)
    assert by_options.trusted_proxy == (IPv4Network("10.0.0.0/8"),)
    assert by_options.argon2 == Argon2(3, 65536, 4)
    assert by_options.store_timeout == 2.5
    assert by_options.registration == Admission(invite="a:secret")
    assert by_options.login_timeout == 0


def test_several_endpoints() -> None:
    both = ("tcp:8889:interface=127.0.0.1", "unix:/run/chat.sock")
    assert parsed("--listen", both[0], "--listen", both[1]).listen == both
    assert settings.from_environment({"CHATROOM_LISTEN": "  ".join(both)}).listen == both


@pytest.mark.parametrize(("text", "on"), [("1", True), ("0", False), ("", False)])
def test_a_flag_in_the_environment_is_1_or_0(text: str, on: bool) -> None:
    assert settings.from_environment({"CHATROOM_TLS_SELF_SIGNED": text}).tls_self_signed is on
    with pytest.raises(StartError, match="CHATROOM_TLS_SELF_SIGNED: 'yes' must be 1 or 0"):
        settings.from_environment({"CHATROOM_TLS_SELF_SIGNED": "yes"})


def test_several_proxies() -> None:
    both = (IPv4Network("127.0.0.1/32"), IPv6Network("fd00::/8"))
    given = ("--trusted-proxy", "127.0.0.1", "--trusted-proxy", "fd00::/8")
    assert parsed(*given).trusted_proxy == both
    environ = {"CHATROOM_TRUSTED_PROXY": "127.0.0.1 fd00::/8"}
    assert settings.from_environment(environ).trusted_proxy == both


def test_an_empty_variable_is_as_none() -> None:
    assert settings.from_environment({"CHATROOM_REDIS": "", "CHATROOM_LISTEN": " "}) == parsed()


def test_a_relative_data_folder_is_meant_from_where_the_server_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = parsed("--data", "here")
    monkeypatch.chdir("/")
    assert found.data == tmp_path / "here"


def test_help_gives_each_option_its_default_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parsed("--help")
    assert not caught.value.code
    shown = " ".join(capsys.readouterr().out.split())
    for option in OPTIONS:
        assert (f"--{option.name} " if option.flag else f"--{option.name}=") in shown
        if option.default is not None and not option.flag:
            assert f"[default: {option.default}]" in shown
    for unit in ("in bytes", "in seconds", "in messages", "in threads", "in characters", "in KiB"):
        assert unit in shown


def test_version_is_ours(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parsed("--version")
    assert not caught.value.code
    assert capsys.readouterr().out.startswith("chatroom ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bad"], "option --bad not recognized"),
        (["extra"], "Wrong number of arguments"),
        (["--max-frame", "12x"], "--max-frame: '12x' must be a whole number from 4096 to 16777216"),
        (["--max-frame=4095"], "--max-frame: '4095' must be a whole number"),
        (["--max-frame=٤٠٩٦"], "must be a whole number"),
        (["--hash-threads", "-1"], "--hash-threads: '-1' must be a whole number"),
        (["--argon2", "2,19456"], "--argon2: '2,19456' is not passes,KiB,lanes"),
        (["--argon2", "0,19456,1"], "passes are from 1"),
        (["--argon2", "2,16,4"], "memory is from 32 KiB"),
        (["--fsync", "never"], "--fsync: 'never' must be always or everysec"),
        (["--store-timeout", "soon"], "must be a number of seconds from 0.1 to 60"),
        (["--store-timeout", "nan"], "must be a number of seconds"),
        (["--node", "a b"], "--node: 'a b': 1 to 64 letters"),
        (["--listen", "foo"], "--listen: 'foo' is not an endpoint to listen on"),
        (["--listen", "tcp:99999"], "a port is a number from 0 to 65535"),
        (["--listen", "tcp:x"], "'tcp:x' is not an endpoint"),
        (["--listen", "ssl:1:privateKey=/no/key.pem"], "/no/key.pem: No such file or directory"),
        (["--listen", "ssl:1:privateKey=k:sslmethod=TLSv1_METHOD"], "leave sslmethod out"),
        (["--tls-self-signed=1"], "option --tls-self-signed must not have an argument"),
        (["--password-policy", "none"], "--password-policy: 'none' must be open or strict"),
        (["--registration", "invite:"], "must be open, closed or invite:SECRET"),
        (["--registration", "invite:" + "x" * 257], "an invitation has at most 256 characters"),
        (["--login-timeout", "0.5"], "must be 0 or a number of seconds from 1 to 3600"),
        (["--login-timeout", "nan"], "must be 0 or a number of seconds"),
        (["--login-failures", "-1"], "--login-failures: '-1' must be a whole number"),
        (["--web", "8890"], "--web: '8890' is not an endpoint to listen on"),
        (["--trusted-proxy", "nginx"], "--trusted-proxy: 'nginx' is not an address or a network"),
        (["--trusted-proxy", "10.0.0.0/33"], "is not an address or a network"),
        (["--redis", "http://localhost"], "--redis: not a Redis URL"),
    ],
)
def test_a_bad_option_ends_in_one_line(arguments: list[str], said: str) -> None:
    text = refusal(*arguments)
    assert said in text
    assert "twistd chatroom --help" in text


@pytest.mark.parametrize("text", ["invte:hush", "closed:hush", "hush", "invite:" + "hush" * 99])
def test_what_may_be_an_invitation_is_not_shown(text: str) -> None:
    assert "hush" not in refusal("--registration", text)
    assert "hush" not in repr(parsed("--registration", "invite:hush"))


@pytest.mark.parametrize(("text", "closed"), [("open", False), ("closed", True)])
def test_registration_is_open_or_closed(text: str, closed: bool) -> None:
    assert parsed("--registration", text).registration == Admission(closed=closed)


def test_a_bad_variable_is_named_as_a_variable() -> None:
    said = "^CHATROOM_MAX_FRAME: 'x' must be a whole number"
    with pytest.raises(StartError, match=said) as caught:
        settings.from_environment({"CHATROOM_MAX_FRAME": "x"})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "certificate", "said"),
    [
        (MINE.key_pem, OTHER.certificate_pem, "the key in privateKey= does not belong to the"),
        (MINE.certificate_pem, MINE.certificate_pem, "do not hold a key and its certificate"),
        (MINE.key_pem, MINE.key_pem, "do not hold a key and its certificate"),
        (b"rubbish", MINE.certificate_pem, "do not hold a key and its certificate"),
    ],
)
def test_a_key_and_a_certificate_that_can_not_work_are_said_to(
    tmp_path: Path, key: bytes, certificate: bytes, said: str
) -> None:
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "cert.pem").write_bytes(certificate)
    listen = f"ssl:1:privateKey={tmp_path}/key.pem:certKey={tmp_path}/cert.pem"
    text = refusal("--listen", listen)
    assert said in text
    assert listen in text


@pytest.mark.parametrize("uid", [None, 0])
def test_the_owner_is_whom_twistd_will_change_to(uid: int | None) -> None:
    options = Options()
    assert options.owner() is None
    options.parent = Options()
    options.parent.update(uid=uid, gid=None)
    assert options.owner() == (None if uid is None else (0, 0))


def test_reading_options_installs_no_reactor() -> None:
    code = (
        "import sys, chatroom.ops.twistd_options\n"
        "chatroom.ops.twistd_options.Options().parseOptions(['--listen', 'tcp:1'])\n"
        "sys.exit('twisted.internet.reactor' in sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        check=True,
    )


@pytest.mark.parametrize(
    ("url", "address", "shown"),
    [
        ("redis://localhost", RedisAddress(), "redis://localhost:6379"),
        (
            "redis://:p%40ss@db:1/2",
            RedisAddress("db", 1, password="p@ss", db=2),
            "redis://db:1/2",
        ),
        (
            "rediss://u:p@[::1]:7",
            RedisAddress("::1", 7, tls=True, username="u", password="p"),
            "rediss://u@[::1]:7",
        ),
        (
            "unix:///run/a%20b.sock?db=4",
            RedisAddress(path="/run/a b.sock", db=4),
            "unix:///run/a b.sock?db=4",
        ),
        (
            "unix://u:p@/run/r.sock",
            RedisAddress(path="/run/r.sock", username="u", password="p"),
            "unix://u@/run/r.sock",
        ),
    ],
)
def test_redis_urls(url: str, address: RedisAddress, shown: str) -> None:
    assert RedisAddress.parse(url) == address
    assert str(address) == shown


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "redis://",
        "redis://host:0",
        "redis://host:70000",
        "redis://host/two",
        "redis://secret@host",
        "redis://:sec/ret@host",
        "redis://:sec#ret@host",
        "redis://:sec?ret@host",
        "unix://relative.sock",
        "unix://",
        "unix:///run/x?db=-1",
    ],
)
def test_what_is_no_redis_url_is_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        RedisAddress.parse(url)
    assert "ret" not in str(caught.value).replace("secret", "SECRET")
    assert "sec" not in str(caught.value)


def test_a_redis_address_never_shows_its_password() -> None:
    address = RedisAddress.parse("redis://me:hush@host")
    assert "hush" not in f"{address} {address!r}"
