"""PopBridge's protocol for Python 3.7 and later, without dependencies: messages, MessagePack and proofs."""

import hashlib
import hmac
import math
import re
import struct
from typing import Any, Dict, Tuple, Type

# <constants>


class ProtocolError(ValueError):
    """A frame isn't a valid message. `code` is the close code for it, `field` the field's path."""

    def __init__(self, code, field, reason):
        # type: (int, str, str) -> None
        ValueError.__init__(self, "%s: %s" % (field or "message", reason))
        self.code = code
        self.field = field


_SHA256 = re.compile("[0-9a-f]{64}")
_HEADS = {
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
    0xCA: ">f",
    0xCB: ">d",
}
_LENGTHS = {
    0xC4: ">B",
    0xC5: ">H",
    0xC6: ">I",
    0xD9: ">B",
    0xDA: ">H",
    0xDB: ">I",
    0xDC: ">H",
    0xDD: ">I",
    0xDE: ">H",
    0xDF: ">I",
}


def pack(value):
    # type: (Any) -> bytes
    """Returns a value as MessagePack.

    Raises TypeError for a type that the protocol lacks, OverflowError beyond 64 bits.
    """
    out = bytearray()
    _pack(value, out, 0)
    return bytes(out)


def _pack(value, out, depth):
    # type: (Any, bytearray, int) -> None
    if depth > MAX_NESTING:
        raise OverflowError("nested deeper than %d" % MAX_NESTING)
    if value is None:
        out.append(0xC0)
    elif isinstance(value, bool):
        out.append(0xC3 if value else 0xC2)
    elif isinstance(value, int):
        _pack_int(value, out)
    elif isinstance(value, float):
        out += struct.pack(">Bd", 0xCB, value)
    elif isinstance(value, str):
        data = value.encode("utf-8")
        _pack_length(len(data), out, 0xA0, 31, (0xD9, 0xDA, 0xDB))
        out += data
    elif isinstance(value, (bytes, bytearray)):
        _pack_length(len(value), out, 0, -1, (0xC4, 0xC5, 0xC6))
        out += value
    elif isinstance(value, (list, tuple)):
        _pack_length(len(value), out, 0x90, 15, (0, 0xDC, 0xDD))
        for one in value:
            _pack(one, out, depth + 1)
    elif isinstance(value, dict):
        _pack_length(len(value), out, 0x80, 15, (0, 0xDE, 0xDF))
        for key, one in value.items():
            if not isinstance(key, str):
                raise TypeError("keys must be text, not %s" % type(key).__name__)
            _pack(key, out, depth)
            _pack(one, out, depth + 1)
    else:
        raise TypeError("%s can't be sent" % type(value).__name__)


def _pack_int(value, out):
    # type: (int, bytearray) -> None
    if -32 <= value < 128:
        out += struct.pack(">b" if value < 0 else ">B", value)
        return
    signed = value < 0
    for head, size in zip((0xD0, 0xD1, 0xD2, 0xD3) if signed else (0xCC, 0xCD, 0xCE, 0xCF), (1, 2, 4, 8)):
        low, high = (-(1 << (8 * size - 1)), 0) if signed else (0, 1 << (8 * size))
        if low <= value < high:
            out += bytes([head]) + value.to_bytes(size, "big", signed=signed)
            return
    raise OverflowError("%d has more than 64 bits" % value)


def _pack_length(count, out, fixed, most, heads):
    # type: (int, bytearray, int, int, Tuple[int, int, int]) -> None
    if count <= most:
        out.append(fixed | count)
    elif count < 1 << 8 and heads[0]:
        out += struct.pack(">BB", heads[0], count)
    elif count < 1 << 16:
        out += struct.pack(">BH", heads[1], count)
    else:
        out += struct.pack(">BI", heads[2], count)


def unpack(data):
    # type: (bytes) -> Any
    """Returns the value in `data`. Raises ProtocolError if it isn't exactly one value."""
    try:
        value, end = _unpack(data, 0, 0)
    except (struct.error, IndexError):
        raise ProtocolError(CLOSE_UNDECODABLE, "", "the frame is cut off")
    except UnicodeDecodeError:
        raise ProtocolError(CLOSE_UNDECODABLE, "", "text that isn't UTF-8")
    if end != len(data):
        raise ProtocolError(CLOSE_UNDECODABLE, "", "%d bytes after the value" % (len(data) - end))
    return value


def _unpack(data, at, depth):
    # type: (bytes, int, int) -> Tuple[Any, int]
    if depth > MAX_NESTING:
        raise ProtocolError(CLOSE_UNDECODABLE, "", "nested deeper than %d" % MAX_NESTING)
    head = data[at]
    at += 1
    if head < 0x80:
        return head, at
    if head >= 0xE0:
        return head - 256, at
    if head in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[head], at
    if head in _HEADS:
        form = _HEADS[head]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if head < 0xC0:
        count = head & (31 if head >= 0xA0 else 15)
    elif head in _LENGTHS:
        form = _LENGTHS[head]
        count = struct.unpack_from(form, data, at)[0]
        at += struct.calcsize(form)
    else:
        raise ProtocolError(CLOSE_UNDECODABLE, "", "MessagePack type 0x%02x isn't used here" % head)
    if head >= 0xDE or head < 0x90:
        return _unpack_map(data, at, count, depth)
    if head >= 0xDC or head < 0xA0:
        # Each item takes a byte at least: a length of billions must not be believed.
        if count > len(data) - at:
            raise IndexError
        items = []
        for _ in range(count):
            item, at = _unpack(data, at, depth + 1)
            items.append(item)
        return items, at
    end = at + count
    if end > len(data):
        raise IndexError
    part = data[at:end]
    return (part if 0xC4 <= head <= 0xC6 else part.decode("utf-8")), end


def _unpack_map(data, at, count, depth):
    # type: (bytes, int, int, int) -> Tuple[Dict[str, Any], int]
    if 2 * count > len(data) - at:
        raise IndexError
    found = {}
    for _ in range(count):
        key, at = _unpack(data, at, depth + 1)
        if not isinstance(key, str):
            raise ProtocolError(CLOSE_WRONG_TYPE, "", "map keys must be text")
        found[key], at = _unpack(data, at, depth + 1)
    return found, at


def server_proof(token, token_id, client_nonce, server_nonce, fingerprint=""):
    # type: (str, str, str, str, str) -> str
    """Returns what the daemon proves itself with in `hello.auth.proof`, in hex (RFC 5802 without salt).

    `fingerprint` is the SHA-256 of the daemon's certificate in hex; empty without TLS.
    """
    key = _hmac(token.encode("utf-8"), b"Server Key")
    return _hmac(key, _signed("server", token_id, client_nonce, server_nonce, fingerprint)).hex()


def client_proof(token, token_id, client_nonce, server_nonce, fingerprint=""):
    # type: (str, str, str, str, str) -> str
    """Returns what the client proves itself with in `identify.auth.proof`, in hex."""
    key = _hmac(token.encode("utf-8"), b"Client Key")
    stored = hashlib.sha256(key).digest()
    signature = _hmac(stored, _signed("client", token_id, client_nonce, server_nonce, fingerprint))
    return bytes(a ^ b for a, b in zip(key, signature)).hex()


def is_same(one, other):
    # type: (str, str) -> bool
    """Compares two proofs in constant time."""
    return hmac.compare_digest(one.encode("utf-8"), other.encode("utf-8"))


def _signed(side, *parts):
    # type: (str, str) -> bytes
    return ":".join((side,) + parts).encode("utf-8")


def _hmac(key, message):
    # type: (bytes, bytes) -> bytes
    return hmac.new(key, message, hashlib.sha256).digest()


class Spec(object):
    """What a field may hold: its type, limits and default."""

    def __init__(
        self, kind, low=None, high=None, required=False, default=None, item=None, choices=(), digest=False
    ):
        # type: (Any, Any, Any, bool, Any, Any, Tuple[str, ...], bool) -> None
        self.kind = kind
        self.low = low
        self.high = high
        self.required = required
        self.default = default
        self.item = item
        self.choices = choices
        self.digest = digest

    def initial(self):
        # type: () -> Any
        """Returns the value of an absent field."""
        return type(self.default)() if isinstance(self.default, (list, dict)) else self.default

    def read(self, value, path):
        # type: (Any, str) -> Any
        """Returns a received value, checked. Raises ProtocolError with its path."""
        kind = self.kind
        if kind is Any:
            return value
        if isinstance(kind, type) and issubclass(kind, Record):
            return kind.read(value, path)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise ProtocolError(CLOSE_WRONG_TYPE, path, "expected %s" % kind.__name__)
        if kind is float and not math.isfinite(value):
            raise ProtocolError(CLOSE_WRONG_VALUE, path, "isn't finite")
        size = len(value) if kind in (str, list) else value if kind in (int, float) else 0
        if (self.low is not None and size < self.low) or (self.high is not None and size > self.high):
            raise ProtocolError(CLOSE_WRONG_VALUE, path, "out of range")
        if (self.choices and value not in self.choices) or (self.digest and not _SHA256.fullmatch(value)):
            raise ProtocolError(CLOSE_WRONG_VALUE, path, "isn't allowed")
        if kind is list and self.item is not None:
            return [self.item.read(one, "%s[%d]" % (path, at)) for at, one in enumerate(value)]
        return value


class Record(object):
    """A map of the protocol; its fields are attributes, None where an optional one is unset."""

    TYPE = ""
    FIELDS = {}  # type: Dict[str, Spec]

    def __init__(self, **values):
        # type: (**Any) -> None
        unknown = set(values) - set(self.FIELDS)
        missing = [name for name, field in self.FIELDS.items() if field.required and name not in values]
        if unknown or missing:
            raise TypeError("%s: unknown %s, missing %s" % (type(self).__name__, sorted(unknown), missing))
        for name, field in self.FIELDS.items():
            setattr(self, name, values[name] if name in values else field.initial())

    @classmethod
    def read(cls, value, path=""):
        # type: (Any, str) -> Any
        """Returns the record in a decoded map. Raises ProtocolError."""
        if type(value) is not dict:
            raise ProtocolError(CLOSE_WRONG_TYPE, path or "message", "expected a map")
        found = {}
        for name, field in cls.FIELDS.items():
            where = "%s.%s" % (path, name) if path else name
            if name in value:
                found[name] = field.read(value[name], where)
            elif field.required:
                raise ProtocolError(CLOSE_MISSING_FIELD, where, "is missing")
        return cls(**found)

    def plain(self):
        # type: () -> Dict[str, Any]
        """Returns the map that is sent, without what is as by default."""
        found = {"type": self.TYPE} if self.TYPE else {}  # type: Dict[str, Any]
        for name, field in self.FIELDS.items():
            value = getattr(self, name)
            if field.required or value != field.default:
                found[name] = _plain(value)
        return found

    def __eq__(self, other):
        # type: (object) -> bool
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __repr__(self):
        # type: () -> str
        return "%s(%s)" % (type(self).__name__, ", ".join("%s=%r" % each for each in self.__dict__.items()))


def _plain(value):
    # type: (Any) -> Any
    if isinstance(value, Record):
        return value.plain()
    return [_plain(one) for one in value] if isinstance(value, list) else value


def encode(message):
    # type: (Record) -> bytes
    """Returns the frame of a message."""
    return pack(message.plain())


def decode(frame):
    # type: (bytes) -> Any
    """Returns the daemon's message in a frame. Raises ProtocolError."""
    return _message(frame, SERVER_MESSAGES)


def _message(frame, known):
    # type: (bytes, Dict[str, Type[Record]]) -> Any
    value = unpack(frame)
    if type(value) is not dict:
        raise ProtocolError(CLOSE_WRONG_TYPE, "message", "expected a map")
    if "type" not in value:
        raise ProtocolError(CLOSE_MISSING_FIELD, "type", "is missing")
    if type(value["type"]) is not str:
        raise ProtocolError(CLOSE_WRONG_TYPE, "type", "expected str")
    if value["type"] not in known:
        raise ProtocolError(CLOSE_UNKNOWN_TYPE, "type", "%s isn't known" % value["type"])
    return known[value["type"]].read(value)


# <records>
