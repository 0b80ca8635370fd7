"""Every error, once: its number, close code, sentence and whether trying again makes sense.

BridgeError
 ├─ UserError              one clear line for a person at a shell; exit code 2
 ├─ NotAsPromised          a plugin broke the contract of bridge.api
 ├─ StoreError             the database can't keep or give anything now
 ├─ ProtocolError          the connection ends with a close code
 │   ├─ RemoteProtocolError   the peer broke the protocol
 │   └─ LocalProtocolError    we would have broken it: a bug
 └─ RequestError           answered by an `error` message; the connection goes on
"""

from __future__ import annotations

from msgspec import Struct

from accel.text import AnyText, Text, TextError, placeholders, plain_values

MAX_REASON = 123
"""Bytes of UTF-8: a control frame holds 125 (RFC 6455 §5.5), two of them the code."""


OUTCOMES = ("failed", "not_started", "unknown")
"""What `error.outcome` may say."""


UNNAMED = {"what": "The bridge"}
"""Fields that a sentence can do without: plugins may raise `internal` by its name alone."""


class CloseCode(Struct, frozen=True):
    """A WebSocket close code (RFC 6455 §7.4.2: 4000 to 4999 are for private use)."""

    name: str
    code: int
    says: str
    """What it means, and what the client should do."""
    final: bool = False
    """Whether a client that comes back with the same will only be sent away again."""


class ErrorCode(Struct, frozen=True):
    """What an `error` message's `code` may be."""

    name: str
    """As in `error.code`."""
    number: int
    """For logs and lists; the wire has the name."""
    says: str
    """A template, as of `accel.text.Text`; its fields are filled when the error is made."""
    retryable: bool = False
    """Whether the same again may work later."""
    hint: str = ""
    """What to do, a template too; empty where there is nothing to say."""
    outcome: str = "failed"
    """What `error.outcome` says, unless whoever raises it knows better."""
    retry_after_ms: int = 0
    """What `error.retry_after_ms` says, unless whoever raises it knows better; 0 says nothing."""


UNKNOWN = CloseCode("unknown", 4000, "Something unforeseen; reconnect, and report it if it returns.")
UNDECODABLE = CloseCode(
    "undecodable", 4002, "The frame is of the wrong kind or is no message; fix the client.", final=True
)
MISSING_FIELD = CloseCode(
    "missing_field", 4003, "A required field is missing; the reason names it.", final=True
)
WRONG_TYPE = CloseCode("wrong_type", 4004, "A field has the wrong type; the reason names it.", final=True)
WRONG_VALUE = CloseCode(
    "wrong_value", 4005, "A field has a value that isn't allowed; the reason names it.", final=True
)
UNKNOWN_TYPE = CloseCode("unknown_type", 4006, "`type` is none that a client may send.", final=True)
NOT_IDENTIFIED = CloseCode("not_identified", 4007, "`identify` must come first, within 10 s of `hello`.")
ALREADY_IDENTIFIED = CloseCode("already_identified", 4008, "`identify` may be sent once.", final=True)
AUTH_FAILED = CloseCode("auth_failed", 4009, "The token is wrong; read connection.json again.", final=True)
PROTOCOL_UNSUPPORTED = CloseCode(
    "protocol_unsupported", 4010, "Update the older of the plugin and the daemon.", final=True
)
SESSION_INVALID = CloseCode(
    "session_invalid", 4011, "The session is gone or in use elsewhere; identify without `resume`."
)
FEATURE_UNSUPPORTED = CloseCode(
    "feature_unsupported", 4012, "A required feature isn't offered; see `hello.features`.", final=True
)
TOO_SLOW = CloseCode(
    "too_slow", 4013, "Too much is unacknowledged; reconnect with `resume` and acknowledge what was handled."
)
TOO_BIG = CloseCode("too_big", 1009, "The frame is larger than `limits.frame`; use a blob.", final=True)
RESTART = CloseCode("restart", 1012, "The daemon stops or restarts; back off, then resume.")

CLOSE_CODES = (
    UNKNOWN, UNDECODABLE, MISSING_FIELD, WRONG_TYPE, WRONG_VALUE, UNKNOWN_TYPE, NOT_IDENTIFIED,
    ALREADY_IDENTIFIED, AUTH_FAILED, PROTOCOL_UNSUPPORTED, SESSION_INVALID, FEATURE_UNSUPPORTED,
    TOO_SLOW, TOO_BIG, RESTART,
)  # fmt: skip

BAD_PARAMS = ErrorCode(
    "bad_params",
    1,
    "{workload}: {reason}.",
    hint="`popbridge workloads NAME` lists the parameters.",
    outcome="not_started",
)
BAD_INPUT = ErrorCode("bad_input", 2, "{name}: {reason}.")
UNKNOWN_WORKLOAD = ErrorCode(
    "unknown_workload",
    3,
    "There is no workload '{workload}'.",
    hint="`popbridge workloads` lists them.",
    outcome="not_started",
)
UNSUPPORTED = ErrorCode("unsupported", 4, "{name}: {reason}.")
TOO_LARGE = ErrorCode("too_large", 5, "{name} is {size}, more than this bridge takes ({limit}).",
                      hint="Raise {setting} or send something smaller.")  # fmt: skip
NOT_FOUND = ErrorCode(
    "not_found", 6, "{name} isn't there.", hint="Upload the blob, or check the path.", outcome="not_started"
)
FORBIDDEN = ErrorCode("forbidden", 7, "{name}: {reason}.", outcome="not_started")
AMBIGUOUS_EDITOR = ErrorCode(
    "ambiguous_editor",
    8,
    "Several editors have the project open: {editors}.",
    hint="Name one as `editor` (`popbridge revert --editor`).",
    outcome="not_started",
)
EDITOR_GONE = ErrorCode(
    "editor_gone",
    9,
    "{editor} isn't connected.",
    retryable=True,
    hint="Open the project in the editor.",
    retry_after_ms=5000,
)
EDITOR_BUSY = ErrorCode("editor_busy", 10, "{editor} is {phase}.", retryable=True, retry_after_ms=1000)
OVERLOADED = ErrorCode(
    "overloaded",
    11,
    "The bridge has {open} open requests, its most.",
    retryable=True,
    hint="Ask again a little later.",
    outcome="not_started",
    retry_after_ms=1000,
)
DEADLINE_EXCEEDED = ErrorCode(
    "deadline_exceeded",
    12,
    "{workload} wasn't done within {deadline_ms} ms.",
    retryable=True,
    outcome="unknown",
)
CANCELLED = ErrorCode("cancelled", 13, "Cancelled.")
WORKER_CRASHED = ErrorCode(
    "worker_crashed", 14, "{workload} crashed its worker process on {name} ({reason})."
)
KEY_REUSED = ErrorCode(
    "key_reused",
    15,
    "Key '{key}' was used with other parameters.",
    hint="Choose a new key.",
    outcome="not_started",
)
SHUTTING_DOWN = ErrorCode(
    "shutting_down",
    16,
    "The bridge is shutting down.",
    retryable=True,
    outcome="not_started",
    retry_after_ms=2000,
)
INTERNAL = ErrorCode("internal", 17, "{what} failed; the daemon's log has the details.", retryable=True)
STORE_UNAVAILABLE = ErrorCode(
    "store_unavailable",
    18,
    "The bridge can't keep anything now: {reason}.",
    retryable=True,
    outcome="not_started",
    retry_after_ms=5000,
)
STORAGE_FULL = ErrorCode(
    "storage_full",
    19,
    "{name} can't be kept: {reason}.",
    retryable=True,
    hint="Free some of the daemon's disk, or raise its setting blobs.quota.",
)

ERROR_CODES = (
    BAD_PARAMS, BAD_INPUT, UNKNOWN_WORKLOAD, UNSUPPORTED, TOO_LARGE, NOT_FOUND, FORBIDDEN, AMBIGUOUS_EDITOR,
    EDITOR_GONE, EDITOR_BUSY, OVERLOADED, DEADLINE_EXCEEDED, CANCELLED, WORKER_CRASHED, KEY_REUSED,
    SHUTTING_DOWN, INTERNAL, STORE_UNAVAILABLE, STORAGE_FULL,
)  # fmt: skip

REFUSALS = frozenset(code.name for code in (BAD_INPUT, UNSUPPORTED, TOO_LARGE)) | frozenset(
    code.name for code in ERROR_CODES if code.outcome == "not_started"
)
"""What isn't counted as a failure: what was asked for can't be, or there was no room for it."""


class BridgeError(TextError):
    """The root of everything that the bridge raises on purpose."""


class StoreError(BridgeError):
    """The database can't be used now; what it was asked to keep isn't kept.

    `reason` reads well after "it can't be kept: ".
    """

    @property
    def reason(self) -> AnyText:
        """The same as `text`."""
        return self.text


class UserError(BridgeError):
    """One clear line for a person at a shell: what happened, to what, and what to do."""


class ContractViolation(BridgeError):
    """A plugin broke the contract of `bridge.api`; the message says what was expected and what came."""


class ProtocolError(BridgeError):
    """The connection ends with `close` and `reason` (at most 123 bytes on the wire, RFC 6455 §5.5)."""

    def __init__(self, close: CloseCode, reason: str) -> None:
        super().__init__(f"{close.code} ({close.name}): {reason}")
        self.close = close
        self.reason = reason

    @property
    def wire_reason(self) -> str:
        """`reason`, cut where a close frame ends, never inside a character."""
        return wire_reason(self.reason)


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol."""


class LocalProtocolError(ProtocolError):
    """We would have broken the protocol; nothing was sent."""


class RequestError(BridgeError):
    """A request or command failed; `message` and `hint` are for people, in English.

    `code` is a code or its name, of those in docs/reference/errors.md. `message` says what happened in a
    whole sentence; without it, `fields` fill in the code's own sentence. Raises ValueError for a name that is
    no code, and for a sentence whose fields aren't all given.
    """

    code: ErrorCode
    """Which kind of failure it is."""
    text: AnyText
    """What happened, in a sentence that can be translated."""
    hint_text: AnyText
    """What to do, so that it can be translated; empty where there is nothing to say."""

    def __init__(
        self,
        code: ErrorCode | str,
        hint: AnyText | None = None,
        *,
        message: AnyText | None = None,
        **fields: object,
    ) -> None:
        self.code = _named(code) if isinstance(code, str) else code
        self.fields = fields
        if message is None:
            super().__init__(_filled(self.code, self.code.says, fields))
            self.hint_text = _filled(self.code, self.code.hint, fields) if hint is None else hint
        else:
            super().__init__(message)
            # The code's own hint belongs to its own sentence.
            self.hint_text = hint or ""

    @property
    def message(self) -> str:
        """What happened, in an English sentence."""
        return str(self.text)

    @property
    def hint(self) -> str:
        """What to do, in English; empty where there is nothing to say."""
        return str(self.hint_text)

    @property
    def outcome(self) -> str:
        """`failed`, `not_started` or `unknown`, by the field `outcome` or the code."""
        told = self.fields.get("outcome")
        return told if isinstance(told, str) and told in OUTCOMES else self.code.outcome

    @property
    def retry_after_ms(self) -> int:
        """Milliseconds to wait before the same again, by the field of that name or the code; 0 where nobody
        knows."""
        told = self.fields.get("retry_after_ms")
        return told if isinstance(told, int) else self.code.retry_after_ms


def _named(name: str) -> ErrorCode:
    found = next((code for code in ERROR_CODES if code.name == name), None)
    if found is None:
        raise ValueError(f"{name!r} is no error code; use one of {', '.join(c.name for c in ERROR_CODES)}")
    return found


def _filled(code: ErrorCode, template: str, fields: dict[str, object]) -> AnyText:
    known = UNNAMED | fields
    names = placeholders(template)
    if missing := sorted(names - known.keys()):
        raise ValueError(f"{code.name} needs message=..., or {missing[0]!r} for its {template!r}")
    return template and Text(template, "", plain_values({name: known[name] for name in names}))


def wire_reason(reason: str) -> str:
    """`reason`, cut where a close frame ends, never inside a character."""
    return reason.encode("utf-8", "replace")[:MAX_REASON].decode("utf-8", "ignore")
