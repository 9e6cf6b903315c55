"""The answers to what was refused, in the client's dialect. No I/O."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from chatroom.protocol import messages as wire
from chatroom.protocol.messages import Code, Message
from chatroom.protocol.refusals import Refusal


def id_of(message: Message) -> str:
    """The sender's own name for a message; empty where it has none."""
    return message.id if isinstance(message, wire.Text) and message.id else ""


def words(refusal: Refusal, dialect: int) -> str:
    """The refusal's text: a client that has not logged in (0) may be of either dialect."""
    if dialect == 2:
        return refusal.en
    return refusal.zh if dialect == 1 else f"{refusal.zh} ({refusal.en})"


def error(refusal: Refusal, dialect: int, message_id: str = "", **more: Any) -> wire.ErrorMes:
    """What tells of a refusal that no other answer tells of."""
    return wire.ErrorMes(id=message_id or UNSET, **fields(refusal, dialect), **more)


def fields(refusal: Refusal, dialect: int) -> dict[str, Any]:
    """What `ErrorMes`, `AckMes` and `LoginResMes` say of a refusal, in the same fields."""
    return {
        "code": refusal.code,
        "error": words(refusal, dialect),
        "retry_after": refusal.retry_after or UNSET,
        "until": UNSET if refusal.until is None else refusal.until,
        "reason": refusal.reason or UNSET,
        "note": refusal.note or UNSET,
    }


def refused(type_name: str | None, message_id: str, refusal: Refusal, dialect: int) -> Message:
    """The answer to a message of that type, or of none that is known, when it is refused."""
    wait = refusal.retry_after or UNSET
    match type_name:
        case "LoginMes":
            answer = wire.LoginResMes(**fields(refusal, dialect))
            if dialect != 2:
                answer.users_id, answer.reason, answer.note = None, UNSET, UNSET
            return answer
        case "RegisterMes":
            # The original has one code for whatever else is wrong with a registration.
            odd = refusal.code in (Code.MALFORMED, Code.TOO_LARGE)
            code = Code.REGISTER_FAILED if odd else refusal.code
            return wire.RegisterResMes(code=code, error=refusal.zh, retry_after=wait)
        case "PasswordMes":
            return wire.PasswordResMes(
                code=refusal.code,
                error=words(refusal, dialect),
                retry_after=wait,
                reason=refusal.reason or UNSET,
                least=refusal.least or UNSET,
            )
        case "SmsMes" | "PrivateMes" if message_id and dialect == 2:
            return wire.AckMes(id=message_id, **fields(refusal, dialect))
    # The type's name tells a dialect 2 client what else it asked was refused.
    known = dialect == 2 and type_name in wire.MESSAGES
    return error(refusal, dialect, message_id, about=type_name if known else UNSET)
