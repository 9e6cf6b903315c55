"""Asks questions one by one or as a form, and shows what went wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from twisted.internet.defer import CancelledError, Deferred

from chatroom.client.base.errors import ChatError, NotConnected, Unconfirmed
from chatroom.terminal import input_checks, texts
from chatroom.terminal.input_checks import Check
from chatroom.terminal.screen import BadLine, EndOfInput, Question, Screen


class Field(NamedTuple):
    """One field of a form: its question, one of `texts`, and the check for its answer."""

    text: str
    check: Check
    secret: bool = False
    lines: bool = False


class Dialogue:
    """Questions in one language on one screen."""

    def __init__(self, screen: Screen, say: texts.Translate) -> None:
        self._screen = screen
        self._say = say
        self._asking: Deferred[str] | None = None
        self._gone: NotConnected | None = None
        #: Something went wrong since this was last set to False.
        self.failed = False

    def give_up(self, why: str) -> None:
        """Fail the waiting question and all later ones with `NotConnected`."""
        self._gone = NotConnected(why)
        if self._asking is not None:
            self._asking.cancel()

    def complain(self, error: ChatError | BadLine) -> None:
        """Say what went wrong."""
        self.failed = True
        self._screen.error(input_checks.explain(self._say, error))

    async def do(self, action: Callable[[], Awaitable[None]]) -> bool:
        """Run ``action``, and show its error if it fails; returns whether it succeeded.

        :raises ChatError: the connection was lost, and no person is there to try again.
        """
        try:
            await action()
        except (NotConnected, Unconfirmed) as error:
            if not self._screen.interactive:
                raise
            self.complain(error)
        except (BadLine, ChatError) as error:
            self.complain(error)
        else:
            return True
        return False

    async def choose(self, prompt: str) -> str:
        """The answer to ``prompt``, with no blanks around it."""
        while True:
            try:
                return input_checks.plain(await self._ask(Question(prompt)))
            except BadLine as error:
                self.complain(error)

    async def form(self, *fields: Field) -> list[str]:
        """The answers to ``fields``.

        A person starts over after a wrong answer; a script's answers are all read first, so that
        the next line still belongs to the next question.

        :raises BadLine: an answer is invalid.
        :raises EndOfInput: the input has ended. A script that ends here left the form incomplete.
        """
        given: list[str] = []
        wrong: BadLine | None = None
        for field in fields:
            question = Question(self._say(field.text), field.secret, field.lines)
            try:
                answer = await self._ask(question)
                field.check(answer)
                given.append(answer)
            except BadLine as error:
                if self._screen.interactive:
                    raise
                wrong = wrong or error
            except EndOfInput as end:
                if self._screen.interactive or end.reason:
                    raise
                if wrong is None:
                    raise EndOfInput(texts.ENDED_WITHIN, question=question.prompt) from end
        if wrong is not None:
            raise wrong
        return given

    async def _ask(self, question: Question) -> str:
        """:raises NotConnected: `give_up` was called."""
        if self._gone is not None:
            raise self._gone
        self._asking = self._screen.ask(question)
        try:
            return await self._asking
        except CancelledError:
            if self._gone is not None:
                raise self._gone from None
            raise
        finally:
            self._asking = None
