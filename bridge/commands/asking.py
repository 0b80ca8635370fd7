"""Asks the running daemon how it is."""

from __future__ import annotations

import urllib.error
import urllib.request

import msgspec

from bridge.commands.language import told
from bridge.connection import ConnectionFile
from bridge.core.errors import UserError
from bridge.core.status import Status
from bridge.core.texts import Text
from bridge.paths import Paths

TIMEOUT_S = 10.0

ANOTHER = Text(
    "What listens at {http} isn't the daemon of {file} (HTTP {code}): restart `popbridge serve`.",
    "在 {http} 监听的不是 {file} 所指的守护进程（HTTP {code}）：请重新启动 `popbridge serve`。",
)
OTHER_VERSION = Text(
    "The daemon at {http} is another version: restart `popbridge serve`.",
    "{http} 的守护进程版本不同：请重新启动 `popbridge serve`。",
)
LATE = Text(
    "PopBridge at {http} doesn't answer within {seconds:g} s.",
    "{http} 的 PopBridge 在 {seconds:g} 秒内没有应答。",
)
NOBODY = Text(
    "PopBridge isn't running: nothing answers at {http} ({reason}). Start it with `popbridge serve`.",
    "PopBridge 没有运行：{http} 没有应答（{reason}）。请用 `popbridge serve` 启动。",
)

# The daemon is never behind a proxy, and its token is none of a proxy's business.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask() -> Status:
    """Blocks. Raises UserError where no daemon runs, or none that answers."""
    file = ConnectionFile.read(Paths.find().connection_file)
    request = urllib.request.Request(f"{file.http}/status", headers={"Authorization": f"Bearer {file.token}"})
    try:
        with _DIRECT.open(request, timeout=TIMEOUT_S) as response:
            return msgspec.json.decode(response.read(), type=Status)
    except urllib.error.HTTPError as error:
        with error:
            where, code = Paths.find().connection_file, error.code
            raise UserError(told(ANOTHER, http=file.http, file=where, code=code)) from None
    except ValueError:
        raise UserError(told(OTHER_VERSION, http=file.http)) from None
    except TimeoutError:
        raise UserError(told(LATE, http=file.http, seconds=TIMEOUT_S)) from None
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UserError(told(NOBODY, http=file.http, reason=reason)) from None
