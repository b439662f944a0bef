"""Files, by the broker. Relative paths are taken from the working directory; str, bytes or os.PathLike. A version is opaque: it changes
when the file's content or identity does. Every function raises what alos.errors lists."""

from __future__ import annotations

import builtins
import os
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Optional, Type, Union, cast

from alos import broker_pb2 as wire
from alos._default import call
from alos._values import Path, absolute, choice, data
from alos.errors import Failed


@dataclass(frozen=True)
class FileContent:
    content: bytes
    size: int  # of the whole file
    truncated: bool  # the file goes on after what is here
    version: str


@dataclass(frozen=True)
class Written:
    version: str
    size: int
    created: bool


@dataclass(frozen=True)
class Appended:
    version: str
    size: int


@dataclass(frozen=True)
class Entry:
    name: str  # os.fsencode(name) is the name in bytes
    type: str  # "regular", "directory", "link", "fifo", "socket", "character_device", "block_device", "type_unknown"


@dataclass(frozen=True)
class Status:
    type: str  # as in Entry
    size: int
    permissions: int
    modified_ns: int  # since 1970, UTC
    links: int
    version: str
    target: str  # of a link that was not followed


@dataclass(frozen=True)
class Opened:
    """A context manager that closes the file."""

    file: BinaryIO
    size: int
    version: str

    def __enter__(self) -> BinaryIO:
        return self.file

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 where: Optional[TracebackType]) -> None:
        self.file.close()


def _type(number: int) -> str:
    return str(wire.FileType.Name(number)).lower() if number in wire.FileType.values() else str(number)


def read(path: Path, *, offset: int = 0, length: Optional[int] = None) -> FileContent:
    """The content of a regular file, or a part of it: at most 64 MiB; `truncated` says whether there is more."""
    result, _ = call("fs_read", wire.FsRead(path=absolute(path), offset=offset, length=length))
    return FileContent(result.content, result.size, result.truncated, result.version)


def write(path: Path, content: Union[str, bytes], *, mode: str = "create_or_replace", in_place: bool = False,
          if_version: Optional[str] = None, permissions: Optional[int] = None, sync: bool = False) -> Written:
    """Makes a file's content exactly this. `mode`: "create_or_replace", "create" (must not be there), "replace" (must be).
    `in_place` keeps the file's identity and is not atomic; `if_version`: only if it still has this version."""
    result, _ = call("fs_write", wire.FsWrite(
        path=absolute(path), content=data(content), mode=choice(wire.WriteMode, mode, "mode"), in_place=in_place,
        if_version=if_version, permissions=permissions, sync=sync))
    return Written(result.version, result.size, result.created)


def append(path: Path, content: Union[str, bytes], *, create: bool = False, if_version: Optional[str] = None,
           sync: bool = False) -> Appended:
    """Adds to the end of a file. `create`: makes it if it is not there."""
    result, _ = call("fs_append", wire.FsAppend(path=absolute(path), content=data(content), create=create,
                                                if_version=if_version, sync=sync))
    return Appended(result.version, result.size)


def list(path: Path, *, after: Union[str, bytes] = b"", count: int = 0) -> builtins.list[Entry]:
    """Names in a directory in the order of their bytes: those after `after`, at most `count`; 0: all."""
    out: builtins.list[Entry] = []
    last = os.fsencode(after)
    while True:
        left = count - len(out) if count else 0
        result, _ = call("fs_list", wire.FsList(path=absolute(path), after=last, count=left))
        out += [Entry(os.fsdecode(entry.name), _type(entry.type)) for entry in result.entries]
        if not result.more or (count and len(out) >= count):
            return out
        if not result.entries:
            raise Failed(operation="fs.list", object=absolute(path), code=0, hint="the broker lists no more")
        last = result.entries[-1].name


def stat(path: Path, *, no_follow: bool = False) -> Status:
    """What a path is. `no_follow`: looks at a link itself."""
    result, _ = call("fs_stat", wire.FsStat(path=absolute(path), no_follow=no_follow))
    return Status(_type(result.type), result.size, result.permissions, result.modified_ns, result.links, result.version,
                  os.fsdecode(result.target))


def mkdir(path: Path, *, permissions: Optional[int] = None) -> None:
    """Makes a directory; 0755 by default."""
    call("fs_mkdir", wire.FsMkdir(path=absolute(path), permissions=permissions))


def remove(path: Path, *, directory: bool = False, if_version: Optional[str] = None) -> None:
    """Removes a file, a link (not what it leads to) or, with `directory`, an empty directory."""
    call("fs_remove", wire.FsRemove(path=absolute(path), directory=directory, if_version=if_version))


def rename(from_: Path, to: Path, *, replace: bool = False) -> None:
    """Gives a file or directory another name. `replace`: what is there under the new name goes."""
    call("fs_rename", wire.FsRename(to=absolute(to), replace=replace, **{"from": absolute(from_)}))


def copy(from_: Path, to: Path, *, mode: str = "create_or_replace") -> Written:
    """Copies a regular file; `mode` as in write()."""
    result, _ = call("fs_copy", wire.FsCopy(to=absolute(to), mode=choice(wire.WriteMode, mode, "mode"),
                                            **{"from": absolute(from_)}))
    return Written(result.version, result.size, result.created)


def open(path: Path, *, access: str = "read") -> Opened:
    """A regular file opened with that access and no more: "read", "write" or "append"."""
    number = choice(wire.OpenAccess, access, "access", "OPEN_")
    result, descriptor = call("fs_open", wire.FsOpen(path=absolute(path), access=number))
    assert descriptor is not None  # _connection sees to it
    file = os.fdopen(descriptor, {"read": "rb", "write": "wb", "append": "ab"}[access])
    return Opened(cast(BinaryIO, file), result.size, result.version)
