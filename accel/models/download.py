"""Files over HTTPS: resumed where they were cut off, checked by their digest."""

from __future__ import annotations

import http.client
import ipaddress
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from accel.models.manifest import Part
from accel.models.store import CHUNK, ModelError, digest

Tell = Callable[[str, int, int], None]
"""Hears of progress: of what, bytes so far, and bytes in all (0 where nobody knows)."""

SILENT_S = 30.0
"""How long a server may send nothing: then it is asked anew for the rest."""
TRIES = 4
"""Connections for one file: downloads of many megabytes are cut off now and then."""


def download(url: str, part: Part, target: Path, name: str, tell: Tell) -> None:
    """Downloads into `target`; what is there already is gone on with. Raises ModelError.

    What came of a file that was cut off, or whose server fell silent, stays, so that the next call resumes
    it; a wrong one doesn't.
    """
    check_address(url)
    problem = ""
    for _ in range(TRIES):
        try:
            _continue(url, part, target, name, tell)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and target.exists():
                # RFC 9110 §15.5.17: the server's file ends before ours, so that ours is none of it.
                target.unlink()
                continue
            raise ModelError(f"{_host(url)} answered {error.code} ({error.reason})") from None
        except (OSError, http.client.HTTPException) as error:
            problem = _said(error)
            if not _went_on(target):
                break
            continue
        if _finished(part, target):
            return
        problem = "the file ended early"
    raise ModelError(f"{_host(url)}: {problem}{_kept(part, target)}")


def check_address(url: str) -> None:
    """Raises ModelError for an address that others could read or change: without TLS only this machine's."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and _loopback(parts.hostname or "")):
        return
    raise ModelError(f"{url} isn't an address with https")


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, unless they lead away from TLS."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _continue(url: str, part: Part, target: Path, name: str, tell: Tell) -> None:
    """One connection: appends to `target` what is left. Raises OSError, HTTPException and ModelError."""
    have = target.stat().st_size if target.exists() else 0
    if have >= part.size:
        return
    headers = {"User-Agent": "popbridge"} | ({"Range": f"bytes={have}-"} if have else {})
    opener = urllib.request.build_opener(_Redirects)
    with opener.open(urllib.request.Request(url, headers=headers), timeout=SILENT_S) as answer:
        # RFC 9110 §14.2: a server may ignore Range and send everything.
        have = have if answer.status == 206 and _begins_at(answer.headers, have) else 0
        with target.open("r+b" if have else "wb") as file:
            file.seek(have)
            # As it comes: a whole chunk would be waited for, and lost where the server falls silent in it.
            while block := answer.read1(min(CHUNK, part.size + 1 - have)):
                file.write(block)
                have += len(block)
                tell(name, min(have, part.size), part.size)
                if have > part.size:
                    break


def _begins_at(headers: Any, have: int) -> bool:
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == have


def _finished(part: Part, target: Path) -> bool:
    """Whether all is there; what can't become right is removed. Raises ModelError."""
    size = target.stat().st_size
    if size < part.size:
        return False
    if size > part.size or digest(target) != part.sha256:
        target.unlink()
        raise ModelError("what came isn't the file that was declared (its SHA-256 is another)")
    return True


def _said(error: Exception) -> str:
    """What went wrong, for people."""
    reason = getattr(error, "reason", "") or error
    if isinstance(reason, TimeoutError):
        return f"nothing came for {SILENT_S:.3g} s"
    return str(reason) or type(error).__name__


def _kept(part: Part, target: Path) -> str:
    """What to do about a download that ended early."""
    if not _went_on(target):
        return ", pull it again later or give the file to `popbridge models import`"
    came = target.stat().st_size
    return f", {came / 1e6:.1f} of {part.size / 1e6:.1f} MB are kept and pulling it again goes on from there"


def _went_on(target: Path) -> bool:
    return target.exists() and target.stat().st_size > 0


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc
