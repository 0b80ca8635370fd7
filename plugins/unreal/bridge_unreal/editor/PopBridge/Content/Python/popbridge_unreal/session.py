"""One session with the daemon over many connections. Everything here runs on the caller's thread."""

import os
import random
import time
from typing import Any, Dict, Optional, Sequence, Set

import popbridge_protocol as protocol

from popbridge_unreal import connection_file
from popbridge_unreal.state_file import StateFile
from popbridge_unreal.web_socket import CLOSED, WebSocket

SEARCHING, CONNECTING, CONNECTED = "searching", "connecting", "connected"
FIRST_BACKOFF_S = 0.25
MAX_BACKOFF_S = 8.0
HELLO_S = 15.0
ACK_DELAY_S = 0.05
OLD_DAEMON = "PopBridge is older than this plugin. Update and restart it."
STRANGER = "Another program answers at PopBridge's address. Restart PopBridge."


class Listener(object):
    """What a session tells its owner."""

    def opened(self, hello, ready, file):
        # type: (Any, Any, connection_file.ConnectionFile) -> None
        """The session is open, at the daemon that `file` names."""

    def lost(self):
        # type: () -> None
        """The connection is lost; the session isn't."""

    def forgotten(self):
        # type: () -> None
        """The daemon doesn't know the session any more: its popups are void."""

    def popup(self, popup):
        # type: (Any) -> None
        """A question or a notice."""

    def popup_close(self, popup_id):
        # type: (int) -> None
        """A popup is settled."""

    def popup_progress(self, progress):
        # type: (Any) -> None
        """How far the work on a popup is."""

    def event(self, name, data):
        # type: (str, Dict[str, Any]) -> None
        """Something happened in the daemon."""

    def reply(self, request_id, message):
        # type: (int, Any) -> None
        """The `Result` or `Error` of a request; None if the connection was lost before."""

    def command(self, command):
        # type: (Any) -> None
        """A command to execute, once; `Session.reply` answers it."""

    def cancel(self, command_id):
        # type: (int) -> None
        """The daemon doesn't need the command any more."""

    def problem(self, text):
        # type: (str) -> None
        """Why the daemon can't be used, for people; empty once it can."""


class Session(object):
    """Finds the daemon, checks its proof, resumes, acknowledges, and replies to each command once."""

    def __init__(self, identity, state, listener):
        # type: (Dict[str, Any], StateFile, Listener) -> None
        """`identity` has the fields `client`, `engine`, `project`, `instance` and `locale` of `identify`."""
        self._identity = identity
        self._store = state
        self._listener = listener
        self.state = SEARCHING
        self.problem = ""
        self._socket = None  # type: Optional[WebSocket]
        self._file = None  # type: Optional[connection_file.ConnectionFile]
        self._hello = None  # type: Any
        self._nonce = ""
        self._backoff_s = FIRST_BACKOFF_S
        self._retry_at = 0.0
        self._open_by = 0.0
        self._received = state.last_seq
        self._acknowledged = state.last_seq
        self._ack_at = 0.0
        self._in_progress = set()  # type: Set[int]
        self._requests = set()  # type: Set[int]
        self._last_request = 0
        self._lost_at = time.time()

    def tick(self, budget_s):
        # type: (float) -> None
        """Works for about `budget_s` seconds at most."""
        now = time.monotonic()
        if self._socket is None:
            if now >= self._retry_at:
                self._connect(now)
            return
        while self._socket is not None:
            frame = self._socket.receive()
            if frame is None:
                break
            self._handle(frame)
            if time.monotonic() - now >= budget_s:
                break
        if self._socket is None:
            return
        if self.state == CONNECTED and self._handled() > self._acknowledged and now >= self._ack_at:
            self._acknowledge()
        if self._store.is_changed:
            self._store.save()
        if self._socket.state == CLOSED:
            self._end(self._closed())
        elif self.state != CONNECTED and now > self._open_by:
            self._end("PopBridge doesn't answer.")

    def close(self):
        # type: () -> None
        """Says farewell before the editor ends. The session stays, so that a restarted editor resumes it."""
        self._store.save()
        if self._socket is not None:
            self._socket.close(1001, "the editor ends")
            self._socket.join(0.3)
            self._socket = None
        self.state = SEARCHING

    def answer(self, answer):
        # type: (Any) -> None
        """Sends an answer, now and after each reconnect until `popup_close` confirms it."""
        self._store.answers[answer.id] = answer.plain()
        self._store.save()
        self._send(answer)

    def has_answer(self, popup_id):
        # type: (int) -> bool
        return popup_id in self._store.answers

    def reply(self, command, reply):
        # type: (Any, Any) -> None
        """Replies to a command with a `Result` or an `Error`."""
        plain = reply.plain()
        self._store.store_reply(command.id, plain, time.time())
        self._send_plain(plain)
        self._finish(command.seq)

    def ask(self, workload, params, inputs=()):
        # type: (str, Dict[str, Any], Sequence[Any]) -> int
        """Sends a request and returns its id, 0 without a connection; `Listener.reply` gets the answer."""
        self._last_request += 1
        request = protocol.Request(
            id=self._last_request, workload=workload, params=params, inputs=list(inputs)
        )
        if not self._send(request):
            return 0
        self._requests.add(self._last_request)
        return self._last_request

    def report(self, name, data):
        # type: (str, Dict[str, Any]) -> bool
        """Sends an event; False without a connection."""
        return self._send(protocol.Event(name=name, data=data))

    def _connect(self, now):
        # type: (float) -> None
        self._file = connection_file.read()
        if self._file is None:
            self._wait("")
            return
        self._nonce = os.urandom(16).hex()
        url = "%s?token=%s&nonce=%s" % (self._file.ws, self._file.token_id, self._nonce)
        self._socket = WebSocket(url, protocol.SUBPROTOCOL, self._file.fingerprint, protocol.MAX_FRAME)
        self._open_by = now + HELLO_S
        self.state = CONNECTING

    def _handle(self, frame):
        # type: (bytes) -> None
        try:
            message = protocol.decode(frame)
        except protocol.ProtocolError:
            # A newer daemon may send what this plugin doesn't know.
            return
        if isinstance(message, protocol.Hello):
            if self._hello is None:
                self._greet(message)
        elif isinstance(message, protocol.Ready):
            if self.state == CONNECTING and self._hello is not None:
                self._open(message)
        elif self.state == CONNECTED:
            self._receive(message)

    def _greet(self, hello):
        # type: (Any) -> None
        """Checks the daemon's proof; nothing is sent before."""
        assert self._file is not None and self._socket is not None
        file = self._file
        parts = (file.token, file.token_id, self._nonce, hello.auth.nonce, file.fingerprint)
        if hello.auth.proof is None:
            self._end(OLD_DAEMON)
            return
        if not protocol.is_same(hello.auth.proof, protocol.server_proof(*parts)):
            self._end(STRANGER)
            return
        self._hello = hello
        self._socket.silence_s = 3.0 * hello.heartbeat_s
        auth = protocol.AuthProof(id=file.token_id, nonce=self._nonce, proof=protocol.client_proof(*parts))
        features = [each for each in (protocol.POPUP_ITEMS,) if each in hello.features]
        identify = {
            "protocol": protocol.PROTOCOL,
            "auth": auth.plain(),
            "type": "identify",
            "features": features,
        }
        identify.update(self._identity)
        if self._store.session:
            identify["resume"] = {
                "session": self._store.session,
                "token": self._store.resume_token,
                "last_seq": self._store.last_seq,
            }
        self._socket.send(protocol.pack(identify))

    def _open(self, ready):
        # type: (Any) -> None
        store = self._store
        if not ready.resumed:
            self._received = store.last_seq = 0
            self._in_progress.clear()
        self._acknowledged = store.last_seq
        store.session, store.resume_token = ready.session, ready.resume_token
        store.save()
        self.state = CONNECTED
        self._backoff_s = FIRST_BACKOFF_S
        self._tell("")
        assert self._file is not None
        self._listener.opened(self._hello, ready, self._file)
        for answer in list(store.answers.values()):
            self._send_plain(answer)
        # Replies sent shortly before the connection was lost may not have arrived; repeated ones are ignored.
        since = self._lost_at - 2.0 * self._hello.heartbeat_s
        for reply in store.replies:
            if reply["at"] >= since:
                self._send_plain(reply["message"])

    def _receive(self, message):
        # type: (Any) -> None
        seq = getattr(message, "seq", None)  # type: Optional[int]
        if seq is not None and seq <= self._received:
            if isinstance(message, protocol.Command):
                self._repeat(message)
            return
        if seq is not None:
            self._received = seq
            self._in_progress.add(seq)
        if isinstance(message, protocol.Command):
            # A killed editor may have stored its reply but not that it handled the command.
            if not self._repeat(message):
                self._listener.command(message)
            return
        if isinstance(message, protocol.Popup):
            if not self.has_answer(message.id):
                self._listener.popup(message)
        elif isinstance(message, protocol.PopupClose):
            if self._store.answers.pop(message.id, None) is not None:
                self._store.is_changed = True
            self._listener.popup_close(message.id)
        elif isinstance(message, protocol.PopupProgress):
            self._listener.popup_progress(message)
        elif isinstance(message, protocol.Event):
            self._listener.event(message.name, message.data)
        elif isinstance(message, (protocol.Result, protocol.Error)):
            if message.id in self._requests:
                self._requests.discard(message.id)
                self._listener.reply(message.id, message)
        elif isinstance(message, protocol.Cancel):
            self._listener.cancel(message.id)
        self._finish(seq)

    def _repeat(self, command):
        # type: (Any) -> bool
        """Sends the stored reply to a command again; False if there is none."""
        reply = self._store.reply_to(command.id)
        if reply is None:
            return False
        self._send_plain(reply)
        self._finish(command.seq)
        return True

    def _finish(self, seq):
        # type: (Optional[int]) -> None
        if seq is not None:
            self._in_progress.discard(seq)
            self._ack_at = time.monotonic() + ACK_DELAY_S

    def _handled(self):
        # type: () -> int
        """Returns the number up to which everything is handled."""
        return min([self._received] + [seq - 1 for seq in self._in_progress])

    def _acknowledge(self):
        # type: () -> None
        self._acknowledged = self._store.last_seq = self._handled()
        # What isn't acknowledged comes again, so it is stored before.
        self._store.save()
        self._send(protocol.Ack(seq=self._acknowledged))

    def _send(self, message):
        # type: (Any) -> bool
        return self._send_plain(message.plain())

    def _send_plain(self, plain):
        # type: (Dict[str, Any]) -> bool
        if self.state != CONNECTED or self._socket is None:
            return False
        return self._socket.send(protocol.pack(plain))

    def _closed(self):
        # type: () -> str
        """Returns why the connection ended, for people; empty for what mends itself."""
        assert self._socket is not None
        code = self._socket.close_code
        if code == protocol.CLOSE_SESSION_INVALID:
            self._store.forget()
            self._received = self._acknowledged = 0
            self._in_progress.clear()
            self._listener.forgotten()
            return ""
        if self._socket.problem:
            return self._socket.problem
        if code in (0, 1000, 1001, protocol.CLOSE_RESTART):
            return ""
        return "%d %s" % (code, self._socket.close_reason or protocol.CLOSE_TEXTS.get(code, ""))

    def _end(self, problem):
        # type: (str) -> None
        assert self._socket is not None
        was_open = self.state == CONNECTED
        if self._hello is None:
            self._socket.abort()
        else:
            self._socket.close(1000, "")
        self._socket = None
        self._hello = None
        self._wait(problem)
        if was_open:
            self._lost_at = time.time()
            open_requests, self._requests = self._requests, set()
            for request_id in sorted(open_requests):
                self._listener.reply(request_id, None)
            self._listener.lost()

    def _wait(self, problem):
        # type: (str) -> None
        """Waits before the next attempt, with jitter, so that many editors don't come at once."""
        self.state = SEARCHING
        self._retry_at = time.monotonic() + self._backoff_s * (1.0 + random.random() / 4.0)
        self._backoff_s = min(2.0 * self._backoff_s, MAX_BACKOFF_S)
        self._tell(problem)

    def _tell(self, problem):
        # type: (str) -> None
        if problem != self.problem:
            self.problem = problem
            self._listener.problem(problem)
