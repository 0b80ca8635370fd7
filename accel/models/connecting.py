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


def check_address(url: str) -> None:
    """Raises ModelError for what is no address, has a password in it, or could be read or changed by others:
    without TLS only this machine's."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or not re.fullmatch(r"[!-~]+", url):
        raise ModelError(f"{url} isn't an address with https")
    if parts.username is not None:
        raise ModelError(
            f"the address of {host} has a name or password in it, which isn't sent: leave it out"
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and _loopback(host)):
        raise ModelError(f"{url} isn't an address with https")


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


def said(error: Exception, silent_s: float) -> str:
    """What went wrong, for people; `silent_s` is how long it was waited for a byte."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return f"nothing came for {silent_s:.3g} s"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"its certificate isn't trusted ({reason.verify_message}); SSL_CERT_FILE names another authority"
        )
    if isinstance(reason, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(reason, http.client.IncompleteRead):
        return "the file ended early"
    if isinstance(reason, http.client.HTTPException):
        return "what it answers isn't HTTP"
    words = getattr(reason, "strerror", "") or str(reason) or type(reason).__name__
    return " ".join(words.split())


def proxy(url: str) -> str:
    """Through which proxy it is asked for, as variables or the system say, without a password."""
    parts = urllib.parse.urlsplit(url)
    named = urllib.request.getproxies().get(parts.scheme, "")
    if not named or urllib.request.proxy_bypass(parts.netloc):
        return ""
    return f" (by the proxy {named.rpartition('//')[2].rpartition('@')[2]})"
