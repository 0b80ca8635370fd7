"""Asks the running daemon how it is."""

from __future__ import annotations

import urllib.error
import urllib.request

import msgspec

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
            raise UserError(
                f"What listens at {file.http} isn't the daemon of {Paths.find().connection_file} "
                f"(HTTP {error.code}): restart `popbridge serve`."
            ) from None
    except msgspec.DecodeError:
        raise UserError(f"The daemon at {file.http} is another version: restart `popbridge serve`.") from None
    except TimeoutError:
        raise UserError(f"PopBridge at {file.http} doesn't answer within {TIMEOUT_S:g} s.") from None
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UserError(
            f"PopBridge isn't running: nothing answers at {file.http} ({reason}). Start it with "
            "`popbridge serve`."
        ) from None
