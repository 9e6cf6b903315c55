"""Accounts that the original program left in Redis."""

from __future__ import annotations

import json

from tests.doubles.valkey import Valkey
from tests.system.lab import Lab


def test_an_account_of_the_original_program_logs_in_and_is_rewritten(
    lab: Lab, valkey: Valkey
) -> None:
    for user_id, name in ((100, "alice"), (101, "小明")):
        old = {"userId": user_id, "userPwd": f"pw{user_id}", "userName": name, "userStatus": 0}
        valkey.ask("HSET", "users", str(user_id), json.dumps(old | {"sex": ""}))
    server = lab.server("--redis", f"unix://{valkey.socket}", cheap=False)
    with server.client() as original, server.client() as alice:
        assert original.log_in(100, "wrong", dialect=1).code == 403
        assert b"pw100" in valkey.ask("HGET", "users", "100")
        assert original.log_in(100, "pw100", dialect=1).code == 200
        assert valkey.ask("HGET", "users", "100") == b"$-1\r\n"
        rewritten = valkey.ask("HGETALL", "chatroom:account:100")
        assert b"$argon2id$v=19$m=19456,t=2,p=1$" in rewritten
        assert b"pw100" not in rewritten
        assert alice.log_in(100, "pw100").user_name == "alice"
        assert alice.register(101, "somebody else") == 505
        assert alice.tell(101, "welcome").code == 202
    with server.client() as ming:
        assert ming.log_in(101, "pw100").code == 403
        answer = ming.log_in(101, "pw101")
        assert (answer.user_name, answer.unread) == ("小明", 1)
