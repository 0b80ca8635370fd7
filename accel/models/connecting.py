"""Addresses that may be asked, and what went wrong where one was, for people."""

from __future__ import annotations

import http.client
import ipaddress
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request

from accel.models.store import ModelError
from accel.text import AnyText, text


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


def answered(error: urllib.error.HTTPError) -> str:
    """In the standard's words: a server's own may be of several lines."""
    if 300 <= error.code < 400:
        return f"redirects to nowhere, or in a circle ({error.code})"
    words = http.client.responses.get(error.code, "")
    return f"answered {error.code} ({words})" if words else f"answered {error.code}"


def said(error: Exception, silent_s: float) -> AnyText:
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
    """Through which proxy it is asked for, as variables or the system say, without a password."""
    parts = urllib.parse.urlsplit(url)
    named = urllib.request.getproxies().get(parts.scheme, "")
    if not named or urllib.request.proxy_bypass(parts.netloc):
        return ""
    return f" (by the proxy {named.rpartition('//')[2].rpartition('@')[2]})"
