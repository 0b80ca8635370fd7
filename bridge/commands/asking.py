"""Asks the running daemon how it is."""

from __future__ import annotations

import urllib.error
import urllib.request

import msgspec

from accel.text import text
from bridge.connection import ConnectionFile
from bridge.core.errors import UserError
from bridge.core.status import Status
from bridge.paths import Paths

TIMEOUT_S = 10.0


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
            raise UserError(
                text(
                    "What listens at {http} isn't the daemon of {file} (HTTP {code}): restart `popbridge "
                    "serve`.",
                    http=file.http,
                    file=where,
                    code=code,
                )
            ) from None
    except ValueError:
        raise UserError(
            text("The daemon at {http} is another version: restart `popbridge serve`.", http=file.http)
        ) from None
    except TimeoutError:
        raise UserError(
            text(
                "PopBridge at {http} doesn't answer within {seconds} s.",
                http=file.http,
                seconds=f"{TIMEOUT_S:g}",
            )
        ) from None
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UserError(
            text(
                "PopBridge isn't running: nothing answers at {http} ({reason}). Start it with "
                "`popbridge serve`.",
                http=file.http,
                reason=reason,
            )
        ) from None
