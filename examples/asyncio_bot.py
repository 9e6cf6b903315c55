"""A bot that reminds people later, by asyncio: asyncio_bot.py [SERVER]"""

import asyncio
import sys
from contextlib import suppress

from twisted.internet import asyncioreactor

asyncioreactor.install()  # before anything that imports the reactor

from twisted.internet.task import react  # noqa: E402

from chatroom.client import ChatClient, Incoming, RegisterRefused, as_task, connect  # noqa: E402


async def main(reactor: object, server: str = "localhost:8889") -> None:
    async def remind(message: Incoming) -> None:
        if message.kind == "private" and not message.own:
            seconds, _, what = message.content.partition(" ")
            if not seconds.isdecimal():
                await bot.send_private(message.user_id, "Write the seconds, and of what: 60 tea")
                return
            await asyncio.sleep(min(int(seconds), 86400))
            await bot.send_private(message.user_id, f"Remember: {what}")

    bot: ChatClient = await connect(server, reactor=reactor, wait=True, on_text=remind)
    with suppress(RegisterRefused):  # it is there already
        await bot.register(201, "remember", "Reminder")
    await bot.log_in(201, "remember")
    await bot.when_ended()


react(lambda reactor, *arguments: as_task(main(reactor, *arguments), reactor), sys.argv[1:])
