"""One message a frame on a SOCK_SEQPACKET socket, content beside it in a sealed memfd (broker.proto)."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import sys
from typing import List, Optional, Tuple

from alos.errors import NoBroker

MAX_FRAME = 65_536
MAX_INLINE = 48 << 10
MAX_CONTENT = 64 << 20
_INT = 4  # bytes of a descriptor in a control message
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def socket_path() -> str:
    """$ALOS_SOCKET, or /dev/alos, where every box has it."""
    return os.environ.get("ALOS_SOCKET") or "/dev/alos"


def connect(path: str) -> socket.socket:
    """A socket that does not block. Raises NoBroker."""
    out = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        while not _is_connected(out):
            out.connect(path)
    except OSError as error:
        out.close()
        raise NoBroker(path, error) from None
    out.setblocking(False)
    return out


def _is_connected(socket_: socket.socket) -> bool:
    # Python takes a connect(2) that a signal interrupted for one that goes on, which it does not (unix(7)): it waited
    # for room in the broker's backlog, and is to be asked for again.
    try:
        socket_.getpeername()
        return True
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise
        return False


def write_whole(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view):]


def seal(content: bytes) -> int:
    """A memfd that cannot change or shrink while the other side reads it."""
    fd = os.memfd_create("alos-content", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        write_whole(fd, content)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd


def read_sealed(fd: int) -> bytes:
    """The content of a memfd that the other side gave; OSError before anything is read of one that is not sealed."""
    try:
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except OSError:  # EINVAL: no memfd
        seals = 0
    if seals & _SEALS != _SEALS:
        raise OSError(errno.EPERM, "content that is not sealed")
    size = os.fstat(fd).st_size
    if size > MAX_CONTENT:
        raise OSError(errno.EFBIG, "more content than an answer may have")
    parts: List[bytes] = []
    at = 0
    while at < size:
        part = os.pread(fd, size - at, at)
        if not part:
            raise OSError(errno.EIO, "content that ends early")
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def send(to: socket.socket, data: bytes, descriptor: Optional[int]) -> None:
    """BlockingIOError while the other side does not read."""
    ancillary = [] if descriptor is None else [
        (socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor.to_bytes(_INT, sys.byteorder))]
    to.sendmsg([data], ancillary, socket.MSG_NOSIGNAL)


def _receive(source: socket.socket) -> Tuple[bytes, List[int], int]:
    # Not socket.recv_fds, which drops its flags (Python 3.11): descriptors would be inherited by every program.
    data, ancillary, flags, _ = source.recvmsg(MAX_FRAME, socket.CMSG_LEN(_INT), socket.MSG_CMSG_CLOEXEC)
    fds: List[int] = []
    for level, kind, rights in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds += [int.from_bytes(rights[at:at + _INT], sys.byteorder) for at in range(0, len(rights) - _INT + 1, _INT)]
    return data, fds, flags


def receive(source: socket.socket) -> Tuple[bytes, Optional[int]]:
    """A frame and its descriptor. OSError: EAGAIN where none is there, ECONNRESET at the end of the connection, EMSGSIZE
    for a frame that is too long or has more than one descriptor."""
    try:
        data, fds, flags = _receive(source)
    except ConnectionResetError:
        # Reported once, before what was received earlier (net/unix/af_unix.c, unix_release_sock).
        data, fds, flags = _receive(source)
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(fds) > 1:
        for fd in fds:
            os.close(fd)
        raise OSError(errno.EMSGSIZE, "the broker sent a frame that is too long or has too many descriptors")
    if not data:
        raise ConnectionResetError(errno.ECONNRESET, "the broker has closed the connection")
    return data, fds[0] if fds else None
