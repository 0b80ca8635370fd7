"""Resumable HTTPS download, digest-checked."""

from __future__ import annotations

import http.client
import io
import ipaddress
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from accel.models.manifest import Part
from accel.models.store import CHUNK, ModelError, Unwritable, digest
from accel.text import AnyText, TextError, text


def check_address(url: str) -> None:
    """Raises ModelError for what is no address, has a password in it, or could be read or changed by others:
    without TLS only this machine's."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or not re.fullmatch(r"[!-~]+", url):
        raise ModelError(text("{url} isn't an address with https", url=url))
    if parts.username is not None:
        raise ModelError(
            text(
                "the address of {host} has a name or password in it, which isn't sent: leave it out",
                host=host,
            )
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and _loopback(host)):
        raise ModelError(text("{url} isn't an address with https", url=url))


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def request(error: urllib.error.HTTPError) -> str:
    """In the standard's words: a server's own may be of several lines."""
    if 300 <= error.code < 400:
        return f"redirects to nowhere, or in a circle ({error.code})"
    words = http.client.responses.get(error.code, "")
    return f"answered {error.code} ({words})" if words else f"answered {error.code}"


def error_text(error: Exception, silent_s: float) -> AnyText:
    """What went wrong, for people; `silent_s` is how long it was waited for a byte."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return text("nothing came for {silent_s} s", silent_s=f"{silent_s:.3g}")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return text(
            "its certificate isn't trusted ({verify_message}); SSL_CERT_FILE names another authority",
            verify_message=reason.verify_message,
        )
    if isinstance(reason, http.client.RemoteDisconnected):
        return text("it closed the connection without an answer")
    if isinstance(reason, http.client.IncompleteRead):
        return text("the file ended early")
    if isinstance(reason, http.client.HTTPException):
        return text("what it answers isn't HTTP")
    words = getattr(reason, "strerror", "") or str(reason) or type(reason).__name__
    return " ".join(words.split())


def proxy(url: str) -> str:
    """Returns the host and port of the proxy for a URL, by the environment or the system, without a password.

    Empty if there is none.
    """
    parts = urllib.parse.urlsplit(url)
    address = urllib.request.getproxies().get(parts.scheme, "")
    if not address or urllib.request.proxy_bypass(parts.netloc):
        return ""
    return address.rpartition("//")[2].rpartition("@")[2]


Tell = Callable[[str, int, int], None]
"""Hears of progress: of what, bytes so far, and bytes in all (0 where nobody knows)."""

SILENT_S = 30.0
"""How long a server may send nothing: then it is asked anew for the rest."""
TRIES = 4
"""Connections for one file: downloads of many megabytes are cut off now and then."""

COMPRESSIONS = frozenset({"br", "compress", "deflate", "gzip", "x-gzip", "zstd"})
"""Of Content-Encoding (RFC 9110 §8.4.1), where stores of files pass on whatever an upload said."""


class DigestMismatch(TextError):
    """What came isn't the file; says why, behind the address."""


def download(url: str, part: Part, target: Path, name: str, tell: Tell) -> None:
    """Downloads into `target`; what is there already is gone on with.

    What came of a file that was cut off, or whose server fell silent, stays, so that the next call resumes
    it; a wrong one doesn't. Raises ModelError, and Unwritable where the fault is the disk's.
    """
    check_address(url)
    problem: AnyText = ""
    for _ in range(TRIES):
        resumed = _went_on(target)
        try:
            problem = _attempt(url, part, target, name, tell)
        except DigestMismatch as error:
            target.unlink(missing_ok=True)
            if not resumed:
                raise ModelError(text("{url} {reason}", url=url, reason=error.text)) from None
            # What an earlier connection left may be to blame: all of it is asked for anew.
            problem = error.text
            continue
        if not problem:
            return
        if not _went_on(target):
            break
    if by := proxy(url):
        problem = text("{problem} (by the proxy {proxy})", problem=problem, proxy=by)
    if _went_on(target):
        problem = text(
            "{problem}, {came} of {size} MB are kept and pulling it again goes on from there",
            problem=problem,
            came=f"{target.stat().st_size / 1e6:.1f}",
            size=f"{part.size / 1e6:.1f}",
        )
    raise ModelError(text("{url}: {problem}", url=url, problem=problem))


def _attempt(url: str, part: Part, target: Path, name: str, tell: Tell) -> AnyText:
    """One connection; gives why not all came. Raises Wrong and ModelError."""
    try:
        _continue(url, part, target, name, tell)
        return "" if _finished(part, target) else text("the file ended early")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and _went_on(target):
            # RFC 9110 §15.5.17: the server's file ends before ours, so that ours is none of it.
            raise DigestMismatch(text("has less of it than came before")) from None
        raise ModelError(text("{url} {reason}", url=url, reason=request(error))) from None
    except (OSError, http.client.HTTPException) as error:
        return error_text(error, SILENT_S)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, unless they lead away from TLS."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _continue(url: str, part: Part, target: Path, name: str, tell: Tell) -> None:
    """Appends to `target` what is left. Raises OSError, HTTPException, Wrong and ModelError."""
    have = target.stat().st_size if target.exists() else 0
    if have >= part.size:
        return
    headers = {"User-Agent": "popbridge"} | ({"Range": f"bytes={have}-"} if have else {})
    opener = urllib.request.build_opener(_Redirects)
    with opener.open(urllib.request.Request(url, headers=headers), timeout=SILENT_S) as answer:
        _check_headers(url, answer, part)
        # RFC 9110 §14.2: a server may ignore Range and send everything.
        have = have if answer.status == 206 else 0
        if answer.status == 206 and not _begins_at(answer.headers, have):
            raise DigestMismatch(text("sends another part of it than was asked for"))
        with _opened(target, have) as file:
            # As it comes: a whole chunk would be waited for, and lost where the server falls silent in it.
            while block := answer.read1(min(CHUNK, part.size + 1 - have)):
                _append(file, block, target)
                have += len(block)
                tell(name, min(have, part.size), part.size)
                if have > part.size:
                    break


def _check_headers(url: str, answer: http.client.HTTPResponse, part: Part) -> None:
    """Raises ModelError where they say that it isn't the file: it isn't waited for, and what came stays."""
    if (coding := answer.headers.get("Content-Encoding", "").lower()) in COMPRESSIONS:
        raise ModelError(
            text("{url} is sent compressed ({coding}), which wasn't asked for", url=url, coding=coding)
        )
    page = answer.headers.get_content_type() == "text/html"
    if answer.status == 206 or answer.length == part.size or (answer.length is None and not page):
        return
    came = "" if answer.length is None else f"{answer.length:,}"
    if not page:
        said = text("{url} is a file of {came} bytes where {size} bytes were declared")
    elif came:
        said = text("{url} is a web page of {came} bytes where {size} bytes were declared")
    else:
        said = text("{url} is a web page where {size} bytes were declared")
    raise ModelError(said.fill(url=url, came=came, size=f"{part.size:,}"))


def _begins_at(headers: Any, have: int) -> bool:
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == have


def _opened(target: Path, begin: int) -> io.FileIO:
    """The file, to be written from there on, unbuffered: a full disk is noticed by who writes."""
    try:
        file = io.FileIO(target, "r+" if begin else "w")
    except OSError as error:
        raise Unwritable(target, error) from None
    file.seek(begin)
    return file


def _append(file: io.FileIO, block: bytes, target: Path) -> None:
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise Unwritable(target, error) from None


def _finished(part: Part, target: Path) -> bool:
    """Whether all is there. Raises Wrong where it can't become right."""
    size = target.stat().st_size
    if size < part.size:
        return False
    if size > part.size:
        raise DigestMismatch(
            text("isn't the file that was declared (it is longer than {size} bytes)", size=f"{part.size:,}")
        )
    if digest(target) != part.sha256:
        raise DigestMismatch(text("isn't the file that was declared (its SHA-256 is another)"))
    return True


def _went_on(target: Path) -> bool:
    return target.exists() and target.stat().st_size > 0
