"""The Python client of the daemon.

It encodes with msgpack-python, the daemon with msgspec: each checks the other's implementation.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import UNSET
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from accel.text import text
from bridge.client import connection, transfer
from bridge.client.connection import ClientState, retry
from bridge.core import auth, errors
from bridge.core.errors import RequestError, UserError
from bridge.core.messages import (
    DONE_CODE,
    DONE_REASON,
    POPUP_ITEMS,
    PROTOCOL,
    Ack,
    Answer,
    AuthProof,
    Cancel,
    ClientInfo,
    ClientMessage,
    Command,
    EngineInfo,
    Error,
    Event,
    Hello,
    Identify,
    InputRef,
    Numbered,
    Popup,
    PopupClose,
    PopupItem,
    PopupProgress,
    Progress,
    ProjectInfo,
    Ready,
    Request,
    Result,
    Resume,
    ServerMessage,
)
from bridge.paths import ConnectionFile, Paths

TOKEN_VARIABLE = "POPBRIDGE_TOKEN"
ACK_DELAY_S = 0.05
"""Delay before an acknowledgement; it covers all messages that were handled meanwhile."""

log = logging.getLogger(__name__)

OnPopup = Callable[[Popup], Awaitable[Answer | None]]
"""Shows a popup; returns the answer, or None to answer later."""
OnCommand = Callable[[Command], Awaitable[Any]]
"""Executes a command; returns the value of its result, or raises RequestError."""
OnEvent = Callable[[Event], Awaitable[None]]
"""Handles an event from the daemon."""
OnProgress = Callable[[float, str], None]
"""Gets a request's progress, 0 to 1, and its current stage."""
OnPopupClose = Callable[[PopupClose], Awaitable[None]]
"""Removes a closed popup from the screen."""
OnPopupProgress = Callable[[PopupProgress], Awaitable[None]]
"""Shows how far the work on a popup is."""


class Client:
    """A connection, opened with `connect`. Handlers run as concurrent tasks."""

    def __init__(self, socket: ClientConnection, file: ConnectionFile, hello: Hello, ready: Ready) -> None:
        self._socket = socket
        self.hello = hello
        self.ready = ready
        self.http = msgspec.structs.replace(file, token=ready.http_token or "")
        """The daemon's addresses, with the session's token for HTTP."""
        self.handled = ClientState()
        """The state of message handling, shared with the connections that resume the session."""
        self.on_popup: OnPopup | None = None
        self.on_command: OnCommand | None = None
        self.on_event: OnEvent | None = None
        self.on_popup_close: OnPopupClose | None = None
        self.on_popup_progress: OnPopupProgress | None = None
        self.instance = ""
        self._next_id = 0
        self._open: dict[int, asyncio.Future[Result]] = {}
        self._on_progress: dict[int, OnProgress] = {}
        self._successor: Client | None = None
        self._acknowledged = 0
        self._ack_timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.Task[None] | None = None
        self._lost = False

    @classmethod
    async def connect(
        cls,
        connection_file: Path | None = None,
        *,
        kind: str = "tool",
        name: str = "bridge.client",
        version: str = "1",
        engine: tuple[str, str] | None = None,
        project: ProjectInfo | None = None,
        instance: str | None = None,
        resume: Resume | None = None,
        previous: Client | None = None,
        locale: str | None = None,
        token: str | None = None,
        on_popup: OnPopup | None = None,
        on_command: OnCommand | None = None,
        on_event: OnEvent | None = None,
        on_popup_close: OnPopupClose | None = None,
        on_popup_progress: OnPopupProgress | None = None,
    ) -> Self:
        """Opens a connection, by default to the current user's daemon, or that in POPBRIDGE_HOME.

        `token` is used instead of that in connection.json; by default it is the variable POPBRIDGE_TOKEN, if
        set. `previous` is an ended connection of this process; its session is resumed. Raises UserError if
        no daemon is running or it refuses the connection.
        """
        file = ConnectionFile.read(connection_file or Paths.find().connection_file)
        if given := (token or os.environ.get(TOKEN_VARIABLE, "")).strip():
            file.token = given
            if not auth.token_id(given):
                raise UserError(
                    text(
                        "The token in {variable} isn't one of PopBridge. `popbridge tokens create` makes "
                        "one.",
                        variable=TOKEN_VARIABLE,
                    )
                )
        if previous is not None:
            resume, instance = previous.resume, instance or previous.instance
        instance = instance or uuid.uuid4().hex
        identify = Identify(
            protocol=PROTOCOL,
            client=ClientInfo(kind=kind, name=name, version=version),  # type: ignore[arg-type]
            instance=instance,
            # `greet` adds the proof.
            auth=AuthProof(),
            engine=EngineInfo(name=engine[0], version=engine[1]) if engine else UNSET,
            project=project or UNSET,
            resume=resume or UNSET,
            locale=locale or UNSET,
            features=[POPUP_ITEMS] if on_popup else [],
        )
        nonce = connection.fresh_nonce()
        socket = await connection.dial(file, nonce)
        self = cls(socket, file, *await connection.greet(socket, identify, file, nonce))
        self.instance = instance
        self.handled = previous.handled if previous else ClientState(resume.last_seq if resume else 0)
        self._acknowledged = resume.last_seq if resume else 0
        self.on_popup, self.on_command = on_popup, on_command
        self.on_event, self.on_popup_close = on_event, on_popup_close
        self.on_popup_progress = on_popup_progress
        if previous is not None:
            previous._successor = self
            # The session may still have the earlier ids open.
            self._next_id = previous._next_id
        for popup_id in self.handled.closed(self.ready):
            self._handle(PopupClose(id=popup_id, reason="unknown"))
        self._reader = asyncio.create_task(self._read())
        for answer in tuple(self.handled.unconfirmed.values()):
            await self.send(answer)
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def resume(self) -> Resume:
        """Resumes this session when passed to `connect`."""
        return Resume(
            session=self.ready.session, token=self.ready.resume_token, last_seq=self.handled.through
        )

    @property
    def ended(self) -> bool:
        """Whether the connection is closed or lost."""
        return self._reader is None or self._reader.done()

    async def close(self, *, done: bool = False) -> None:
        """Closes the connection.

        The daemon keeps the session for a later resume, unless `done` is set and nothing is open in it.
        """
        with suppress(ConnectionClosed):
            await self._flush_ack()
        await self._socket.close(DONE_CODE, DONE_REASON if done else "")
        if self._reader:
            await self._reader
        # Running handlers now belong to the connection that resumed the session.
        work = () if self._successor else tuple(self.handled.tasks)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        if self._ack_timer is not None:
            self._ack_timer.cancel()

    async def wait_closed(self) -> tuple[int, str]:
        """Waits for the end of the connection; returns the close code and reason."""
        await self._socket.wait_closed()
        return self._socket.close_code or 1006, self._socket.close_reason or ""

    async def request(
        self,
        workload: str,
        params: Mapping[str, Any] | None = None,
        *,
        inputs: Sequence[InputRef] = (),
        priority: str = "normal",
        deadline_ms: int | None = None,
        key: str | None = None,
        cache: bool = True,
        retries: int = 0,
        on_progress: OnProgress | None = None,
    ) -> Result:
        """Runs a workload and returns its result; cancelling the call cancels the request.

        With `cache=False` it runs even if the result is cached. Raises RequestError, also for messages that
        violate the protocol.

        With a `key` or priority `bulk` the request is durable: once accepted, it is answered once, even if
        a process dies. If the connection is lost (`editor_gone`), repeat it with the same key, workload,
        parameters and inputs on any connection of the same project: it joins the same job and gets the same
        answer.

        Retryable errors, such as an overloaded daemon, are retried up to `retries` times, each after at least
        the error's `retry_after_ms`.

        `on_progress` is called about four times a second if the workload reports progress.
        """
        request = Request(
            id=0,
            workload=workload,
            params=dict(params or {}),
            inputs=list(inputs),
            priority=priority,  # type: ignore[arg-type]
            deadline_ms=deadline_ms if deadline_ms is not None else UNSET,
            key=UNSET if key is None else connection.check_key(key),
            cache=cache,
        )
        return await retry(lambda: self._ask(request, on_progress), retries, connected=lambda: not self._lost)

    async def _ask(self, request: Request, on_progress: OnProgress | None) -> Result:
        self._next_id += 1
        request_id = self._next_id
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._open[request_id] = answer
        if on_progress is not None:
            self._on_progress[request_id] = on_progress
        try:
            frame = self._encode_checked(msgspec.structs.replace(request, id=request_id), request.workload)
            await self._send_frame(frame)
            return await answer
        except asyncio.CancelledError:
            with suppress(ConnectionClosed):
                await self.send(Cancel(id=request_id))
            raise
        finally:
            self._open.pop(request_id, None)
            self._on_progress.pop(request_id, None)

    async def event(self, name: str, data: Mapping[str, Any]) -> None:
        """Sends an event to the daemon. Raises RequestError."""
        await self._send_frame(self._encode_checked(Event(name=name, data=dict(data)), name))

    async def answer(self, answer: Answer) -> None:
        """Answers a popup. Until the daemon confirms it, each connection that resumes the session resends it.

        Raises RequestError if the answer violates the protocol; such an answer isn't resent.
        """
        frame = self._encode_checked(answer, f"The answer to popup {answer.id}")
        self.handled.unconfirmed[answer.id] = answer
        await self._current._send_frame(frame)

    async def popup_items(self, popup: Popup) -> list[PopupItem]:
        """Returns the list of a popup, which may be in a blob. Raises RequestError."""
        if popup.items_blob is UNSET:
            return popup.items
        return msgspec.json.decode(await self.get_blob(popup.items_blob), type=list[PopupItem])

    async def send(self, message: ClientMessage) -> None:
        """Sends a message without checking it. Raises ConnectionClosed."""
        await self._socket.send(connection.encode(message))

    def _encode_checked(self, message: ClientMessage, name: str) -> bytes:
        return connection.frame(message, name, self.hello.limits.frame)

    async def _send_frame(self, frame: bytes) -> None:
        try:
            await self._socket.send(frame)
        except ConnectionClosed as closed:
            raise connection.connection_lost(closed) from None

    async def put_blob(
        self, source: bytes | Path, *, on_progress: Callable[[int], None] | None = None
    ) -> str:
        """Uploads bytes or a file; returns the blob's name, its SHA-256.

        `on_progress` gets the number of bytes sent; it is called in a thread. Raises OSError if the file
        can't be read, UserError if the daemon doesn't answer, or RequestError.
        """
        return await transfer.send(self.http, source, on_progress)

    async def get_blob(self, name: str, target: Path | None = None) -> bytes:
        """Downloads a blob and returns it. With `target`, writes it to that file and returns no bytes."""
        return await transfer.fetch(self.http, name, target)

    async def _read(self) -> None:
        try:
            async for frame in self._socket:
                self._handle(connection.decode(frame))
        except ConnectionClosed:
            pass
        except UserError as error:
            log.error("closing the connection: %s", error)
            await self._socket.close(1002, "invalid message")
        self._lost = True
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_exception(connection.connection_lost(self._socket.protocol.close_exc))
                waiting.exception()

    def _handle(self, message: ServerMessage) -> None:
        if isinstance(message, Numbered) and isinstance(message.seq, int):
            is_new = self.handled.receive(message.seq)
            if isinstance(message, Command) and message.id in self.handled.replies:
                self._start_task(self.send(self.handled.replies[message.id]), None)
                self._ack_soon()
                return
            if not is_new:
                self._ack_soon()
                return
        match message:
            case Result():
                self._finish_request(message.id, message, None)
            case Error():
                request_id = message.id if isinstance(message.id, int) else -1
                error = connection.as_request_error(msgspec.to_builtins(message))
                self._finish_request(request_id, None, error)
            case Progress():
                self._progress(message)
            case Command():
                self._start_task(self._run_command(message), message)
            case Popup() if self.handled.show(message):
                self._start_task(self._show(message), message)
            case Event() if self.on_event:
                self._start_task(self.on_event(message), message)
            case PopupProgress() if self.on_popup_progress:
                self._start_task(self.on_popup_progress(message), None)
            case PopupClose():
                self.handled.close(message.id)
                if self.on_popup_close:
                    self._start_task(self.on_popup_close(message), None)
            case _:
                pass
        self._ack_soon()

    def _finish_request(self, request_id: int, result: Result | None, error: RequestError | None) -> None:
        answer = self._open.get(request_id)
        if answer is None or answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        elif result is not None:
            answer.set_result(result)

    def _progress(self, message: Progress) -> None:
        on_progress = self._on_progress.get(message.id)
        if on_progress is None:
            return
        try:
            on_progress(message.fraction, message.stage)
        # A failing callback must not end the request or the connection.
        except Exception:
            log.exception("handling Progress failed")

    def _start_task(self, work: Awaitable[None], message: Numbered | None) -> None:
        seq = message.seq if message is not None and isinstance(message.seq, int) else None
        if seq is not None:
            self.handled.start(seq)

        async def run() -> None:
            try:
                with suppress(ConnectionClosed):
                    await work
            # If a handler fails, the error is logged and the message counts as handled.
            except Exception as error:
                if not isinstance(error, RequestError) or error.code.name != errors.EDITOR_GONE.name:
                    log.exception("handling %s failed", type(message).__name__)
            if seq is not None:
                self.handled.done(seq)
                self._current._ack_soon()

        task = asyncio.create_task(run())
        self.handled.tasks.add(task)
        task.add_done_callback(lambda task: self.handled.task_done(task, work, seq))

    async def _run_command(self, command: Command) -> None:
        reply = await self._reply_to(command)
        self.handled.store_reply(reply)
        await self._current.send(reply)

    async def _reply_to(self, command: Command) -> Result | Error:
        try:
            if self.on_command is None:
                raise RequestError(
                    errors.UNSUPPORTED, name=command.name, reason=text("this client doesn't execute commands")
                )
            result = Result(id=command.id, value=await self.on_command(command))
            self._encode_checked(result, command.name)
            return result
        except RequestError as error:
            return Error(id=command.id, code=error.code.name, message=error.message)
        # The daemon waits for an answer, whatever the handler raises.
        except Exception:
            log.exception("command %s failed", command.name)
            message = text("{command} failed in the editor; its log has the details.", command=command.name)
            return Error(id=command.id, code=errors.INTERNAL.name, message=str(message))

    async def _show(self, popup: Popup) -> None:
        answer = await self.on_popup(popup) if self.on_popup else None
        if answer is not None:
            await self.answer(answer)

    @property
    def _current(self) -> Client:
        """The session's current connection. Handlers can run longer than the connection that started them."""
        current = self
        while current._successor is not None:
            current = current._successor
        return current

    def _ack_soon(self) -> None:
        if self._ack_timer is None and self.handled.through > self._acknowledged:
            self._ack_timer = asyncio.get_running_loop().call_later(ACK_DELAY_S, self._ack_now)

    def _ack_now(self) -> None:
        self._start_task(self._flush_ack(), None)

    async def _flush_ack(self) -> None:
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None
        handled = self.handled.through
        if handled > self._acknowledged:
            self._acknowledged = handled
            await self.send(Ack(seq=handled))
