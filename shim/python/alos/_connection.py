"""A connection to the broker with any number of calls in flight, for any number of threads.

There is no thread of its own: one of those that wait reads for all, and so does who cannot send because the broker does
not read. Every call ends: when the connection does, those in flight end as Unknown, for their effect may have happened,
or as Failed where they have none; later ones as Failed, for nothing was sent.
"""

from __future__ import annotations

import collections
import errno
import os
import select
import socket
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

from alos import _frames
from alos import broker_pb2 as wire
from alos._primitives import PRIMITIVES
from alos.errors import Denied, Error, Failed, LimitReached, Unknown

OnOutput = Callable[[bytes, bool], None]
_REFUSALS = ("denied", "failed", "limit", "unknown")


class _Broken(Exception):
    """The broker breaks the protocol, or says that we did; nothing it says is believed any more."""


@dataclass
class _Call:
    primitive: str  # the field of Request
    ident: int = 0
    sent: bool = False  # or about to be: an interrupt from there on gives it up
    output: Deque[Tuple[bytes, bool]] = field(default_factory=collections.deque)
    content: bytearray = field(default_factory=bytearray)  # of a file, before what its result holds
    end: Optional[Any] = None  # an Error, or the Reply
    descriptor: Optional[int] = None
    dropped: bool = False


def _error_of(reply: Any) -> Error:
    kind = reply.WhichOneof("answer")
    said = getattr(reply, kind)
    if kind == "denied":
        return Denied(request=said.request, layer=said.layer, rule=said.rule, source=said.source, reason=said.reason,
                      remedy=said.remedy)
    if kind == "limit":
        return LimitReached(which=said.which, value=said.value, hint=said.hint)
    if kind == "unknown":
        return Unknown(operation=said.operation, hint=said.hint)
    return Failed(operation=said.operation, object=said.object, code=said.code, name=said.name, hint=said.hint,
                  partial=said.partial)


class Connection:
    def __init__(self, path: Optional[str] = None) -> None:
        self.path = path or _frames.socket_path()
        self._process = os.getpid()  # whose it is: a child after fork has the socket, too
        self._socket = _frames.connect(self.path)
        self._sending = threading.Lock()  # taken before _lock
        # Of what follows. No threading.Condition: an interrupt within its methods may leave the lock held, or released.
        self._lock = threading.RLock()
        self._waiters: List[threading.Lock] = []  # each held until there is news
        self._calls: Dict[int, _Call] = {}
        self._last = 0
        self._reader: Optional[int] = None  # the thread that reads for all
        self._over: Optional[OSError] = None

    @property
    def over(self) -> bool:
        return self._over is not None

    def close(self) -> None:
        if not self._is_own():
            return
        with self._lock:
            self._end(OSError(errno.ECONNRESET, "the connection was closed here"))

    def call(self, primitive: str, message: Any, on_output: Optional[OnOutput] = None) -> Tuple[Any, Optional[int]]:
        """The Result of `message`, and the descriptor where that is what was asked for. What a command writes is given to
        `on_output` by this thread; what that raises gives up the call."""
        mine = _Call(primitive)
        try:
            self._send(mine, message)
            return self._wait(mine, on_output)
        except BaseException:
            self._give_up(mine)
            raise

    def send(self, primitive: str, message: Any) -> int:
        """To be waited for once. What cannot be sent is told by wait()."""
        mine = _Call(primitive)
        try:
            self._send(mine, message)
        except BaseException:
            self._give_up(mine)
            raise
        return mine.ident

    def wait(self, ident: int, on_output: Optional[OnOutput] = None) -> Tuple[Any, Optional[int]]:
        with self._lock:
            mine = self._calls[ident]
        return self._wait(mine, on_output)

    def _wait(self, mine: _Call, on_output: Optional[OnOutput]) -> Tuple[Any, Optional[int]]:
        output: Optional[Tuple[bytes, bool]]
        waiter: Optional[threading.Lock] = None
        while True:
            if not self._is_own():
                raise self._failed(OSError(errno.ECHILD, "the call is that of the process before the fork"),
                                   PRIMITIVES[mine.primitive][0])
            with self._lock:
                if mine.output:
                    output = mine.output.popleft()
                elif mine.end is not None:
                    del self._calls[mine.ident]
                    return self._settle(mine)
                else:
                    output = None
                    waiter = self._wait_or_read()
            if output is None:
                self._await(waiter)
            elif on_output:
                on_output(*output)

    # ---- sending ----

    def _send(self, mine: _Call, message: Any) -> None:
        self._stop_reading()  # it may have been interrupted once more, before it could say so
        name, _, content = PRIMITIVES[mine.primitive]
        request = wire.Request()
        call = getattr(request, mine.primitive)
        call.CopyFrom(message)
        call.SetInParent()
        attached = b""
        if content and len(getattr(call, content)) > _frames.MAX_INLINE:
            attached = getattr(call, content)
            call.ClearField(content)
        with self._lock:
            self._last += 1
            request.id = mine.ident = self._last
            self._calls[mine.ident] = mine
        try:
            self._transmit(request, attached, name, mine)
        except Error as error:
            with self._lock:  # it was not sent, whatever became of the connection meanwhile
                mine.end = error

    def _transmit(self, request: Any, attached: bytes, name: str, mine: Optional[_Call] = None) -> None:
        descriptor = None
        try:
            if attached:
                request.attached = True
                descriptor = _frames.seal(attached)
            data = request.SerializeToString()
            if len(data) > _frames.MAX_FRAME:
                raise LimitReached(which="bytes of a request", value=_frames.MAX_FRAME,
                                   hint="give less in its arguments; content is not counted")
            with self._sending:
                while not self._send_once(data, descriptor, mine):
                    self._wait_until_writable()
        except OSError as error:
            if isinstance(error, Error):
                raise
            raise self._failed(error, name) from None
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _send_once(self, data: bytes, descriptor: Optional[int], mine: Optional[_Call]) -> bool:
        with self._lock:
            if self._over:
                raise self._over
        try:
            if mine:
                mine.sent = True
            _frames.send(self._socket, data, descriptor)
            return True
        except BlockingIOError:
            if mine:
                mine.sent = False
            return False
        except ConnectionError:
            # What the broker said last is still there to be read; nothing more can come, so reading comes to an end.
            self._shutdown()
            raise self._read_to_the_end() from None

    def _read_to_the_end(self) -> OSError:
        while True:
            with self._lock:
                if self._over:
                    return self._over
                waiter = self._wait_or_read()
            self._await(waiter)

    def _wait_until_writable(self) -> None:
        """Reads meanwhile, if nobody does: the broker may be waiting for that before it reads on."""
        look_again = 50  # ms: whoever was reading may have stopped
        with self._lock:
            reads = self._claim()
        if reads:
            return self._read_one(select.POLLIN | select.POLLOUT)
        ready = select.poll()
        ready.register(self._socket, select.POLLOUT)
        ready.poll(look_again)

    def _is_own(self) -> bool:
        return os.getpid() == self._process

    def _give_up(self, mine: _Call) -> None:
        if not self._is_own():
            return
        self._stop_reading()
        with self._lock:
            if self._calls.get(mine.ident) is not mine:
                return
            if mine.end is not None or not mine.sent:
                del self._calls[mine.ident]
                if mine.descriptor is not None:
                    os.close(mine.descriptor)
                return
            mine.dropped = True
            mine.output.clear()
            self._last += 1
            request = wire.Request(id=self._last, cancel=wire.Cancel(call=mine.ident))
        try:
            self._transmit(request, b"", "cancel")
        except Error:  # not sent: there is nothing to give up any more
            pass

    # ---- reading ----

    def _stop_reading(self) -> None:
        """This thread reads no more. If it did, an interrupt has taken it out of its middle, and a frame may be lost."""
        with self._lock:
            if self._reader == threading.get_ident():
                self._end(OSError(errno.ECONNRESET, "interrupted while an answer was read"))
                self._read_no_more()

    def _await(self, waiter: Optional[threading.Lock]) -> None:
        """Until there is news, by whoever reads: this thread, without a waiter."""
        if waiter:
            waiter.acquire(timeout=1)  # who was to tell may have been interrupted
        else:
            self._read_one(select.POLLIN)

    def _read_one(self, events: int) -> None:
        """As the reader, which this thread is no more afterwards. `_lock` is not held."""
        frame: Optional[Tuple[bytes, Optional[int]]] = None
        error: Optional[OSError] = None
        ready = select.poll()
        ready.register(self._socket, events)
        found: List[Tuple[int, int]] = []
        try:
            # Again now and then: a child that a signal's handler has made meanwhile would wait for what its parent reads.
            while not found and self._is_own():
                found = ready.poll(1000)
        except BaseException:  # nothing was read yet
            with self._lock:
                self._read_no_more()
            raise
        try:
            if self._is_own() and any(what & ~select.POLLOUT for _, what in found):
                frame = _frames.receive(self._socket)
        except BlockingIOError:
            pass
        except OSError as why:
            error = why
        with self._lock:
            self._take(frame, error)
            self._read_no_more()

    # ---- _lock is held ----

    def _claim(self) -> bool:
        """Whether this thread is the reader from here on: nobody is."""
        if self._reader is not None:
            return False
        self._reader = threading.get_ident()
        return True

    def _read_no_more(self) -> None:
        self._reader = None
        self._tell()

    def _wait_or_read(self) -> Optional[threading.Lock]:
        """What to wait by. None: this thread is the reader."""
        if self._claim():
            return None
        waiter = threading.Lock()
        waiter.acquire()
        self._waiters.append(waiter)
        return waiter

    def _tell(self) -> None:
        while self._waiters:
            if self._waiters[-1].locked():
                self._waiters[-1].release()
            self._waiters.pop()  # last: an interrupt before leaves it for the next

    def _take(self, frame: Optional[Tuple[bytes, Optional[int]]], error: Optional[OSError]) -> None:
        if error is not None:
            return self._end(error)
        if frame is None:
            return
        data, descriptor = frame
        try:
            if not self._over:
                descriptor = self._dispatch(data, descriptor)
        except _Broken as broken:
            self._end(OSError(errno.EPROTO, str(broken)))
        except OSError as why:
            self._end(why)
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _dispatch(self, data: bytes, descriptor: Optional[int]) -> Optional[int]:
        """The descriptor, unless it was taken."""
        reply = wire.Reply()
        try:
            reply.ParseFromString(data)
        except Exception:  # google.protobuf.message.DecodeError, which has no types
            raise _Broken("the broker sent what is no reply") from None
        kind = reply.WhichOneof("answer")
        if reply.id == 0:
            reason = _error_of(reply) if kind in _REFUSALS else "no reason given"
            raise OSError(errno.ECONNRESET, f"the broker ended the connection: {reason}")
        mine = self._calls.get(reply.id)
        if mine is None or mine.end is not None:
            raise _Broken("the broker sent an answer to no call")
        if reply.attached != (descriptor is not None):
            raise _Broken("the broker sent a descriptor amiss")
        if kind == "output" and mine.primitive == "shell_run":
            written = reply.output.data if descriptor is None else _frames.read_sealed(descriptor)
            if not mine.dropped:
                mine.output.append((written, reply.output.error))
            return descriptor
        if kind == "output" and mine.primitive == "fs_read":
            if descriptor is not None or len(mine.content) + len(reply.output.data) > _frames.MAX_CONTENT:
                raise _Broken("the broker sent content amiss")
            if not mine.dropped:
                mine.content.extend(reply.output.data)
            return None
        if kind not in _REFUSALS and kind != mine.primitive:
            raise _Broken("the broker sent an answer to another call")
        descriptor = self._complete(mine, reply, kind, descriptor)
        if mine.content and kind == "fs_read":
            reply.fs_read.content = bytes(mine.content) + reply.fs_read.content
        if mine.dropped:
            del self._calls[reply.id]
            return descriptor
        mine.end = reply
        mine.descriptor = descriptor
        return None

    def _complete(self, mine: _Call, reply: Any, kind: str, descriptor: Optional[int]) -> Optional[int]:
        """Puts content in its place. The descriptor where that is the result."""
        if kind == "fs_open":
            if descriptor is None:
                raise _Broken("the broker sent no descriptor")
            return descriptor
        if descriptor is None:
            return None
        result = getattr(reply, kind)
        if kind in _REFUSALS or "content" not in result.DESCRIPTOR.fields_by_name:
            raise _Broken("the broker sent a descriptor amiss")
        result.content = _frames.read_sealed(descriptor)
        os.close(descriptor)
        return None

    def _settle(self, mine: _Call) -> Tuple[Any, Optional[int]]:
        if isinstance(mine.end, Error):
            raise mine.end
        reply: Any = mine.end
        kind = reply.WhichOneof("answer")
        if kind in _REFUSALS:
            raise _error_of(reply)
        return getattr(reply, kind), mine.descriptor

    # ---- the end ----

    def _failed(self, why: OSError, name: str) -> Failed:
        code = why.errno or 0
        return Failed(operation=name, object=os.fsencode(self.path), code=code, name=errno.errorcode.get(code, ""),
                      hint=why.strerror or "")

    def _end(self, why: OSError) -> None:
        """Again where an interrupt ended it in its middle."""
        if self._over is None:
            self._over = why
        self._shutdown()
        for ident, call in list(self._calls.items()):
            if call.dropped:
                del self._calls[ident]
            elif call.end is None:
                name, effect, _ = PRIMITIVES[call.primitive]
                call.end = self._failed(why, name) if effect == "observe" else Unknown(
                    operation=name, hint=f"{why.strerror}; look before you ask for it again")
        self._tell()

    def _shutdown(self) -> None:
        if not self._is_own():
            return
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
