"""All errors: exception classes, error codes and close codes.

BridgeError
 ├─ UserError              one clear line for a person at a shell; exit code 2
 ├─ ContractViolation      a plugin broke the contract of bridge.api
 ├─ StoreError             the database can't be used now
 │   └─ OutOfDescriptors      because too many files are open
 ├─ ProtocolError          the connection ends with a close code
 │   ├─ RemoteProtocolError   the peer broke the protocol
 │   └─ LocalProtocolError    this side would have broken it: a bug
 └─ RequestError           answered with an `error` message; the connection stays open
"""

from __future__ import annotations

from msgspec import Struct

from accel.text import AnyText, Text, TextError, placeholders, plain_values, text

MAX_REASON = 123
"""Bytes of UTF-8: control frames hold 125 (RFC 6455 §5.5), two of which are the code."""

OUTCOMES = ("failed", "not_started", "unknown")
"""The values of `error.outcome`."""

DEFAULT_FIELDS = {"what": "The daemon"}
"""Defaults, because plugins may raise `internal` without any field."""


class CloseCode(Struct, frozen=True):
    """A WebSocket close code (RFC 6455 §7.4.2 reserves 4000 to 4999 for private use)."""

    name: str
    code: int
    text: str
    """What it means, and what the client should do."""
    final: bool = False
    """Whether reconnecting with the same data would be rejected again."""


class ErrorCode(Struct, frozen=True):
    """A value for `code` in an `error` message."""

    name: str
    """The value on the wire."""
    number: int
    """For logs and lists; not sent."""
    text: str
    """Template (see `accel.text.Text`) that describes the failure."""
    retryable: bool = False
    """Whether the same request may succeed later."""
    hint: str = ""
    """Template of the remedy; may be empty."""
    outcome: str = "failed"
    """The default of `error.outcome`."""
    retry_after_ms: int = 0
    """The default of `error.retry_after_ms`; 0 omits it."""


UNKNOWN = CloseCode("unknown", 4000, "Unexpected error. Reconnect; if it happens again, report it.")
UNDECODABLE = CloseCode(
    "undecodable",
    4002,
    "The frame is of the wrong kind or isn't a valid message. Fix the client.",
    final=True,
)
MISSING_FIELD = CloseCode(
    "missing_field", 4003, "A required field is missing; the close reason names it.", final=True
)
WRONG_TYPE = CloseCode(
    "wrong_type", 4004, "A field has the wrong type; the close reason names it.", final=True
)
WRONG_VALUE = CloseCode(
    "wrong_value", 4005, "A field has an invalid value; the close reason names it.", final=True
)
UNKNOWN_TYPE = CloseCode("unknown_type", 4006, "Clients can't send messages of this `type`.", final=True)
NOT_IDENTIFIED = CloseCode(
    "not_identified", 4007, "`identify` must be the first message, within 10 s of `hello`."
)
ALREADY_IDENTIFIED = CloseCode("already_identified", 4008, "`identify` can be sent only once.", final=True)
AUTH_FAILED = CloseCode(
    "auth_failed", 4009, "The token or its proof is wrong. Read connection.json again.", final=True
)
PROTOCOL_UNSUPPORTED = CloseCode(
    "protocol_unsupported", 4010, "Update the editor addon or the daemon, whichever is older.", final=True
)
SESSION_INVALID = CloseCode(
    "session_invalid",
    4011,
    "The session has ended or another connection uses it. Send `identify` without `resume`.",
)
FEATURE_UNSUPPORTED = CloseCode(
    "feature_unsupported", 4012, "The daemon lacks a required feature; see `hello.features`.", final=True
)
TOO_SLOW = CloseCode(
    "too_slow",
    4013,
    "Too much is unacknowledged. Resume the session and acknowledge the handled messages; "
    "if 4011 follows, the session has ended.",
)
TOKEN_REVOKED = CloseCode(
    "token_revoked",
    4014,
    "The token was revoked or has expired. Ask for a new one.",
    final=True,
)
NOT_ALLOWED = CloseCode(
    "not_allowed",
    4015,
    "The token's scopes don't allow what `identify` asks for; the close reason names a scope that does.",
    final=True,
)
TOO_BIG = CloseCode(
    "too_big", 1009, "The frame exceeds `limits.frame`. Send large data as a blob.", final=True
)
RESTART = CloseCode("restart", 1012, "The daemon is stopping or restarting. Wait, then resume the session.")

CLOSE_CODES = (
    UNKNOWN, UNDECODABLE, MISSING_FIELD, WRONG_TYPE, WRONG_VALUE, UNKNOWN_TYPE, NOT_IDENTIFIED,
    ALREADY_IDENTIFIED, AUTH_FAILED, PROTOCOL_UNSUPPORTED, SESSION_INVALID, FEATURE_UNSUPPORTED,
    TOO_SLOW, TOKEN_REVOKED, NOT_ALLOWED, TOO_BIG, RESTART,
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
    "Unknown workload `{workload}`.",
    hint="`popbridge workloads` lists all workloads.",
    outcome="not_started",
)
UNSUPPORTED = ErrorCode("unsupported", 4, "{name}: {reason}.")
TOO_LARGE = ErrorCode(
    "too_large",
    5,
    "{name} is {size}; this daemon accepts at most {limit}.",
    hint="Raise {setting} or send something smaller.",
)
NOT_FOUND = ErrorCode(
    "not_found",
    6,
    "{name} does not exist.",
    hint="Upload the blob, or check the path.",
    outcome="not_started",
)
FORBIDDEN = ErrorCode("forbidden", 7, "{name}: {reason}.", outcome="not_started")
AMBIGUOUS_EDITOR = ErrorCode(
    "ambiguous_editor",
    8,
    "Several editors have this project open: {editors}.",
    hint="Choose one with `editor` (`popbridge revert --editor`).",
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
    "{name} has {open} open requests, the maximum.",
    retryable=True,
    hint="Retry after `retry_after_ms`.",
    outcome="not_started",
    retry_after_ms=1000,
)
DEADLINE_EXCEEDED = ErrorCode(
    "deadline_exceeded",
    12,
    "{workload} did not finish within {deadline_ms} ms.",
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
    "The key '{key}' was used before with other parameters or inputs.",
    hint="Use a new key.",
    outcome="not_started",
)
SHUTTING_DOWN = ErrorCode(
    "shutting_down",
    16,
    "The daemon is shutting down.",
    retryable=True,
    outcome="not_started",
    retry_after_ms=2000,
)
INTERNAL = ErrorCode("internal", 17, "{what} failed; see the daemon's log.", retryable=True)
STORE_UNAVAILABLE = ErrorCode(
    "store_unavailable",
    18,
    "The daemon's database is unavailable: {reason}.",
    retryable=True,
    outcome="not_started",
    retry_after_ms=5000,
)
STORAGE_FULL = ErrorCode(
    "storage_full",
    19,
    "{name} can't be stored: {reason}.",
    retryable=True,
    hint="Free disk space for the daemon, or raise its setting blobs.quota.",
)

CLAIMED = ErrorCode(
    "claimed",
    20,
    "The advisor {advisor} is asking about {name}.",
    retryable=True,
    hint="Ask again when its popup is closed.",
    outcome="not_started",
)
OUT_OF_DESCRIPTORS = ErrorCode(
    "out_of_descriptors",
    21,
    "{name}: the daemon has too many files and connections open.",
    retryable=True,
    hint="Retry after `retry_after_ms`. If it happens again, raise the daemon's `ulimit -n`.",
    outcome="not_started",
    retry_after_ms=1000,
)
RATE_LIMITED = ErrorCode(
    "rate_limited",
    22,
    "{name} has sent more than the setting {setting} allows ({limit} per second).",
    retryable=True,
    hint="Retry after `retry_after_ms`.",
    outcome="not_started",
    retry_after_ms=1000,
)

ERROR_CODES = (
    BAD_PARAMS, BAD_INPUT, UNKNOWN_WORKLOAD, UNSUPPORTED, TOO_LARGE, NOT_FOUND, FORBIDDEN, AMBIGUOUS_EDITOR,
    EDITOR_GONE, EDITOR_BUSY, OVERLOADED, DEADLINE_EXCEEDED, CANCELLED, WORKER_CRASHED, KEY_REUSED,
    SHUTTING_DOWN, INTERNAL, STORE_UNAVAILABLE, STORAGE_FULL, CLAIMED, OUT_OF_DESCRIPTORS,
    RATE_LIMITED,
)  # fmt: skip

REFUSALS = frozenset(code.name for code in (BAD_INPUT, UNSUPPORTED, TOO_LARGE)) | frozenset(
    code.name for code in ERROR_CODES if code.outcome == "not_started"
)
"""Error codes that count as rejections, not failures: invalid requests and those over a limit."""


class BridgeError(TextError):
    """Base class of errors that PopBridge raises on purpose."""


class StoreError(BridgeError):
    """The database can't be used now; nothing was stored.

    `reason` is a clause that can follow a colon.
    """

    @property
    def reason(self) -> AnyText:
        """`text`, which here is a clause instead of a sentence."""
        return self.text


class OutOfDescriptors(StoreError):
    """The database can't be opened because the daemon has too many files open."""


class UserError(BridgeError):
    """One clear line for a person at a shell: what happened, to what, and what to do."""


class ContractViolation(BridgeError):
    """A plugin broke the contract of `bridge.api`. The message has the expected and the actual value."""


class ProtocolError(BridgeError):
    """The connection ends with `close` and `reason` (at most 123 bytes on the wire, RFC 6455 §5.5)."""

    def __init__(self, close: CloseCode, reason: str) -> None:
        super().__init__(f"{close.code} ({close.name}): {reason}")
        self.close = close
        self.reason = reason

    @property
    def wire_reason(self) -> str:
        """`reason` truncated, at a character boundary, to fit into a close frame."""
        return wire_reason(self.reason)


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol."""


class LocalProtocolError(ProtocolError):
    """This side would have broken the protocol; nothing was sent."""


class RequestError(BridgeError):
    """A request or command failed. `message` and `hint` are for people, in English.

    `code` is an ErrorCode or its name, from docs/reference/errors.md. `message` is a full sentence that
    describes the failure; without it, `fields` fill in the code's own sentence. Raises ValueError for an
    unknown code or a missing field.
    """

    code: ErrorCode
    """What kind of failure it is."""
    text: AnyText
    """Translatable description of the failure."""
    hint_text: AnyText
    """Translatable remedy; may be empty."""

    def __init__(
        self,
        code: ErrorCode | str,
        hint: AnyText | None = None,
        *,
        message: AnyText | None = None,
        **fields: object,
    ) -> None:
        self.code = _code_by_name(code) if isinstance(code, str) else code
        self.fields = fields
        if message is None:
            super().__init__(_filled(self.code, self.code.text, fields))
            self.hint_text = _filled(self.code, self.code.hint, fields) if hint is None else hint
        else:
            super().__init__(message)
            # The code's own hint belongs to its own sentence.
            self.hint_text = hint or ""

    @property
    def message(self) -> str:
        """The failure as an English sentence."""
        return str(self.text)

    @property
    def hint(self) -> str:
        """The remedy in English; may be empty."""
        return str(self.hint_text)

    @property
    def outcome(self) -> str:
        """The field `outcome` if valid, otherwise the code's: `failed`, `not_started` or `unknown`."""
        outcome = self.fields.get("outcome")
        return outcome if isinstance(outcome, str) and outcome in OUTCOMES else self.code.outcome

    @property
    def retry_after_ms(self) -> int:
        """Milliseconds to wait before a retry, from the field of that name or the code; 0 if unknown."""
        retry_after_ms = self.fields.get("retry_after_ms")
        return retry_after_ms if isinstance(retry_after_ms, int) else self.code.retry_after_ms


def unavailable(error: StoreError) -> RequestError:
    """Returns the error for a request that needs the database."""
    if isinstance(error, OutOfDescriptors):
        return RequestError(OUT_OF_DESCRIPTORS, name=text("The daemon's database"))
    return RequestError(STORE_UNAVAILABLE, reason=error.reason)


def _code_by_name(name: str) -> ErrorCode:
    found = next((code for code in ERROR_CODES if code.name == name), None)
    if found is None:
        raise ValueError(
            f"{name!r} is not an error code; use one of {', '.join(c.name for c in ERROR_CODES)}"
        )
    return found


def _filled(code: ErrorCode, template: str, fields: dict[str, object]) -> AnyText:
    known = DEFAULT_FIELDS | fields
    names = placeholders(template)
    if missing := sorted(names - known.keys()):
        raise ValueError(f"{code.name} needs message=... or the field {missing[0]!r} of {template!r}")
    return template and Text(template, "", plain_values({name: known[name] for name in names}))


def wire_reason(reason: str) -> str:
    """Truncates `reason` to `MAX_REASON` bytes of UTF-8 at a character boundary."""
    return reason.encode("utf-8", "replace")[:MAX_REASON].decode("utf-8", "ignore")
