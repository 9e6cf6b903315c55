"""One connection: what can't be read, silence, and the end."""

from __future__ import annotations

import pytest

from chatroom.client import State
from chatroom.protocol import codec, messages as wire
from tests.client.stage import Outcome, Stage, a_welcome, to_room


@pytest.mark.parametrize(
    "payload",
    [
        b"this is no JSON",
        b"",
        b"\xff\xfe",
        b'{"type":"SmsMes","data":{}}',
        b'{"type":"SmsMes","data":"[]"}',
        codec.encode(wire.SmsMes("no seq", 101)),
        codec.encode(wire.LoginResMes(200)).replace(b"200", b"true"),
    ],
)
def test_what_is_no_message_breaks_the_connection_with_a_reason(
    stage: Stage, payload: bytes
) -> None:
    stage.server.write(codec.frame(payload) + codec.frame(codec.encode(to_room("after", "6-0"))))
    stage.run()
    assert stage.state() is State.RECONNECTING
    assert stage.client.why.startswith("the server sent what is no message")
    assert stage.shown == []
    stage.come_back()
    stage.say(to_room("after", "6-0"))
    assert stage.texts == ["after"]


def test_an_acknowledgement_without_a_place_is_no_message(stage: Stage) -> None:
    sent = Outcome(stage.client.send("hello"))
    stage.run()
    stage.say(wire.AckMes(stage.server.ids()[0], 200))
    assert stage.state() is State.RECONNECTING
    assert not sent.done


def test_a_frame_that_is_too_long_breaks_the_connection_at_once(stage: Stage) -> None:
    stage.server.write((wire.MAX_SERVER_FRAME + 1).to_bytes(4, "big"))
    stage.server.write(b"x" * 100)
    stage.run()
    assert stage.state() is State.RECONNECTING
    assert "1048577 bytes" in stage.client.why


def test_a_frame_as_long_as_a_server_may_send_is_taken(stage: Stage) -> None:
    room = wire.PresenceMes(1, [])
    payload = codec.encode(room)
    payload = payload + b" " * (wire.MAX_SERVER_FRAME - len(payload))
    stage.server.write(codec.frame(payload))
    stage.run()
    assert len(stage.presence) == 1


def test_types_and_fields_of_a_newer_server_are_left_alone(stage: Stage) -> None:
    stage.server.write(codec.frame(b'{"type":"NewMes","data":"{}","more":1}'))
    stage.server.write(
        codec.frame(
            b'{"type":"SmsMes","data":"{\\"content\\":\\"x\\",\\"seq\\":\\"6-0\\",\\"new\\":1}"}'
        )
    )
    stage.run()
    assert stage.texts == ["x"]
    assert stage.state() is State.ONLINE


def test_frames_arrive_byte_by_byte(stage: Stage) -> None:
    data = b"".join(codec.frame(codec.encode(to_room(f"{n}", f"6-{n}"))) for n in range(3))
    for index in range(len(data)):
        stage.server.write(data[index : index + 1])
        stage.run()
    assert stage.texts == ["0", "1", "2"]


def test_a_ping_is_answered(stage: Stage) -> None:
    stage.say(wire.PingMes())
    assert stage.server.all(wire.PongMes) == [wire.PongMes()]


def test_a_silent_server_is_pinged_and_kept_while_it_answers(stage: Stage) -> None:
    stage.run(29.9)
    assert stage.server.all(wire.PingMes) == []
    stage.run(0.2)
    assert len(stage.server.all(wire.PingMes)) == 1
    stage.run(300)
    assert stage.state() is State.ONLINE
    assert len(stage.servers) == 1


def test_a_server_silent_for_too_long_is_left(stage: Stage) -> None:
    stage.clock.pump([0.5] * 149)
    assert stage.state() is State.ONLINE
    stage.network.last.server.coming = b""
    stage.clock.pump([0.5] * 2)
    stage.network.last.server.coming = b""
    stage.network.run()
    assert stage.state() is State.RECONNECTING
    assert stage.client.why == "nothing was heard of the server for 75 seconds"


def test_the_reason_is_what_the_server_said_last_if_that_was_an_error(stage: Stage) -> None:
    stage.say(wire.ErrorMes(413, "your frame was too long"))
    stage.network.last.cut()
    assert stage.client.why == "your frame was too long"
    stage.come_back()
    stage.say(wire.ErrorMes(400, "long ago"), to_room("x", "6-0"))
    stage.network.last.server.loseConnection()
    stage.run()
    assert stage.client.why == "the server closed the connection"


def test_logging_out_says_so_and_lets_the_server_close(stage: Stage) -> None:
    left = Outcome(stage.client.log_out())
    stage.run()
    assert stage.server.got[-1] == wire.LogoutMes()
    assert not left.done
    assert stage.state() is State.OFFLINE
    assert stage.client.why == "logged out"
    stage.say(to_room("not looked at", "6-0"))
    stage.network.last.server.loseConnection()
    stage.run()
    assert left.times == 1
    assert stage.shown == []
    assert stage.client.position.resume() is None
    stage.log_in()
    assert stage.state() is State.ONLINE


def test_logging_out_waits_for_the_server_only_so_long(stage: Stage) -> None:
    left = Outcome(stage.client.log_out())
    stage.run(1.9)
    assert not left.done
    stage.run(0.2)
    assert left.times == 1


def test_logging_out_with_no_connection_forgets_the_login(stage: Stage) -> None:
    stage.network.last.cut()
    left = Outcome(stage.client.log_out())
    assert left.times == 1
    assert stage.state() is State.OFFLINE
    stage.run(60)
    assert stage.network.tries == 1
    assert Outcome(stage.client.log_out()).error is None


def test_a_new_login_right_behind_a_logout_is_not_disturbed_by_it(stage: Stage) -> None:
    left = Outcome(stage.client.log_out())
    stage.run()
    stage.log_in()
    stage.run(3)
    assert left.times == 1
    assert stage.state() is State.ONLINE
    assert len(stage.servers) == 2


def test_closing_waits_until_the_server_has_read_everything(stage: Stage) -> None:
    sent = Outcome(stage.client.send("last words"))
    question = Outcome(stage.client.users_page())
    closed = Outcome(stage.client.close())
    stage.run()
    assert not closed.done
    stage.ack(stage.server.ids()[0], "6-0")
    assert sent.value is not None
    assert not closed.done
    stage.say(wire.UsersResMes([], 0))
    assert question.value is not None
    assert closed.times == 1
    assert stage.states[-1] is State.CLOSED
    assert stage.clock.getDelayedCalls() == []


def test_closing_before_a_login_is_immediate() -> None:
    stage = Stage()
    stage.connect()
    closed = Outcome(stage.client.close())
    stage.run()
    assert closed.times == 1
    assert stage.server.got == []


def test_closing_waits_for_a_registration_too() -> None:
    stage = Stage()
    registered = Outcome(stage.client.register(100, "secret", "Ann"))
    closed = Outcome(stage.client.close())
    stage.run()
    assert not closed.done
    stage.say(wire.RegisterResMes(200))
    assert (registered.error, closed.times) == (None, 1)


def test_the_client_is_told_the_token_of_each_login(stage: Stage) -> None:
    stage.network.last.cut()
    stage.come_back(a_welcome(token="newer"))
    assert stage.client.login is not None
    assert stage.client.login.token == "newer"
