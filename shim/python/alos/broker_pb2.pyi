# Debian's protobuf has no types: what is made from broker.proto is untyped, and used by this package alone.
from typing import Any

def __getattr__(name: str) -> Any: ...
