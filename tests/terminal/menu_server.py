"""A server of its own process for the tests of the menus: the protocol, and nothing kept.

``python -m tests.terminal.menu_server`` prints its port. Users 100 (``Tom``) and 101 (``小明``)
exist with the password ``123456``. User 666 is known to nobody; writing "die" ends the server.
"""
# ruff: noqa: N802 - methods are named as the messages they take

from __future__ import annotations

import asyncio
import os
import struct
from itertools import count

from msgspec import UNSET

from chatroom.protocol import codec
from chatroom.protocol import messages as wire
from chatroom.protocol.messages import Code, Message, Person


class Session:
    def __init__(self, server: Server, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.writer = writer
        self.user_id = 0

    def give(self, message: Message) -> None:
        self.writer.write(codec.frame(codec.encode(message)))

    def take(self, message: Message) -> None:
        getattr(self, type(message).__name__, lambda _: None)(message)

    def RegisterMes(self, message: wire.RegisterMes) -> None:
        user = message.user
        if user.user_id in self.server.users:
            self.give(wire.RegisterResMes(Code.UNAVAILABLE, "taken"))
        elif len(user.user_pwd) < 6:
            self.give(wire.RegisterResMes(Code.REGISTER_FAILED, "password too short"))
        else:
            self.server.users[user.user_id] = (user.user_pwd, user.user_name)
            self.give(wire.RegisterResMes(Code.OK))

    def LoginMes(self, message: wire.LoginMes) -> None:
        known = self.server.users.get(message.user_id)
        if known is None:
            self.give(wire.LoginResMes(Code.NO_SUCH_USER))
        elif message.token is UNSET and known[0] != message.user_pwd:
            self.give(wire.LoginResMes(Code.WRONG_PASSWORD))
        else:
            self.user_id = message.user_id
            self.server.tell_presence(self, 0)
            self.server.sessions.append(self)
            people = self.server.people()
            mailbox = self.server.mailboxes.setdefault(self.user_id, [])
            waiting = [] if isinstance(message.resume, wire.Resume) else mailbox
            self.give(
                wire.LoginResMes(
                    Code.OK,
                    user_name=known[1],
                    token="token",
                    users=people,
                    online=len(people),
                    unread=len(waiting),
                    rooms={"lobby": "1-0"},
                    inbox="0-0",
                    read=[],
                )
            )
            for text in waiting:
                self.give(text)
            self.server.mailboxes[self.user_id] = []

    def _signed(self, message: wire.Text) -> None:
        message.user_id, message.user_name = self.user_id, self.server.users[self.user_id][1]
        message.seq, message.sent_at = f"{next(self.server.numbers)}-0", 1_700_000_000_000

    def SmsMes(self, message: wire.SmsMes) -> None:
        if message.content == "die":
            os._exit(0)
        self._signed(message)
        self.server.room.append(message)
        self.give(wire.AckMes(str(message.id), Code.OK, message.seq))
        for other in self.server.sessions:
            if other is not self:
                other.give(message)

    def PrivateMes(self, message: wire.PrivateMes) -> None:
        to = message.to_user_id
        if to not in self.server.users:
            self.give(wire.AckMes(str(message.id), Code.NO_RECIPIENT))
            return
        self._signed(message)
        there = [other for other in self.server.sessions if other.user_id == to]
        if not there:
            self.server.mailboxes.setdefault(int(to), []).append(message)
        for other in there:
            other.give(message)
        self.give(
            wire.AckMes(str(message.id), Code.OK if there else Code.STORED_OFFLINE, message.seq)
        )

    def UsersMes(self, message: wire.UsersMes) -> None:
        people = self.server.people()
        self.give(wire.UsersResMes(people, len(people)))

    def HistoryMes(self, message: wire.HistoryMes) -> None:
        page = self.server.room if message.peer is UNSET else []
        self.give(
            wire.HistoryResMes(
                list(page), False, message.limit, message.room, message.peer, message.before
            )
        )

    def StatusMes(self, message: wire.StatusMes) -> None:
        self.server.tell_presence(self, message.status)

    def PingMes(self, message: wire.PingMes) -> None:
        self.give(wire.PongMes())

    def LogoutMes(self, message: wire.LogoutMes) -> None:
        self.writer.close()


class Server:
    def __init__(self) -> None:
        self.users = {100: ("123456", "Tom"), 101: ("123456", "小明")}
        self.sessions: list[Session] = []
        self.room: list[wire.Text] = []
        self.mailboxes: dict[int, list[wire.Text]] = {}
        self.numbers = count(2)

    def people(self) -> list[Person]:
        ids = sorted({session.user_id for session in self.sessions})
        return [Person(user_id, self.users[user_id][1], 0) for user_id in ids]

    def tell_presence(self, about: Session, status: int) -> None:
        person = Person(about.user_id, self.users[about.user_id][1], status)
        for other in self.sessions:
            if other is not about:
                other.give(wire.PresenceMes(len(self.people()), [person]))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self, writer)
        try:
            while True:
                (length,) = struct.unpack("!I", await reader.readexactly(4))
                session.take(codec.decode(await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if session in self.sessions:
                self.sessions.remove(session)
                self.tell_presence(session, 1)
            writer.close()


async def main() -> None:
    listener = await asyncio.start_server(Server().serve, "127.0.0.1", 0)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await listener.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
