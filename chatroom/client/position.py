"""How far a client has come in each conversation, with no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from chatroom.wire import Resume, Seq


@dataclass
class Position:
    """The newest ``seq`` that was got of each room and of the inbox.

    It is what a client resumes from; keep a copy of it to resume after a restart.
    """

    rooms: dict[str, Seq] = field(default_factory=dict)
    inbox: Seq | None = None

    def resume(self) -> Resume:
        raise NotImplementedError
