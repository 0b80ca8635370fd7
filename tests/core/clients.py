"""What a client says first, and how it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.errors import RemoteProtocolError
from bridge.core.messages import PROTOCOL, AuthProof, ClientInfo, Identify


def identify(**fields: Any) -> Identify:
    given = {"protocol": PROTOCOL, "instance": "i", "auth": AuthProof(token="t")} | fields
    return Identify(client=ClientInfo(kind="tool", name="n", version="1"), **given)


def refusal(action: Any, *arguments: Any) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        action(*arguments)
    return caught.value
