"""A bot that answers whoever writes to it in private: echo_bot.py [SERVER]"""

import sys
from contextlib import suppress

from twisted.internet.task import react

from chatroom.client import ChatClient, Incoming, RegisterRefused, connect


async def main(reactor: object, server: str = "localhost:8889") -> None:
    async def answer(message: Incoming) -> None:
        if message.kind == "private" and not message.own:
            await bot.send_private(message.user_id, f"You said: {message.content}")

    # Where the server is not there yet, it waits for it.
    bot: ChatClient = await connect(server, reactor=reactor, wait=True, on_text=answer)
    with suppress(RegisterRefused):  # it is there already
        await bot.register(200, "echo-echo", "Echo")
    await bot.log_in(200, "echo-echo")
    await bot.when_ended()  # Ctrl-C, or the server refuses it for good


react(main, sys.argv[1:])
