"""Every primitive has its method, with the arguments that its description names: one that is added without a client fails
here."""

import importlib
import inspect
import os
import re

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from alos._primitives import PRIMITIVES
from conftest import CALLS

# Times are seconds in Python, and `from` is a word of the language.
SPELLED = {"timeout_ms": "timeout", "duration_ms": "seconds", "from": "from_"}


def described():
    """Field of Request -> (name, arguments: {name: required}) from the description itself."""
    with open(os.environ["ALOS_DESCRIBED"], "rb") as file:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for one in files.file:
        pool.Add(one)
    factory = message_factory.MessageFactory(pool)

    def options(kind, extension, given):
        parsed = factory.GetPrototype(pool.FindMessageTypeByName("google.protobuf." + kind)).FromString(
            given.SerializeToString())
        found = pool.FindExtensionByName("alos.wire." + extension)
        return parsed.Extensions[found] if parsed.HasExtension(found) else None

    out = {}
    for field in pool.FindMessageTypeByName("alos.wire.Request").oneofs_by_name["call"].fields:
        about = options("MessageOptions", "primitive", field.message_type.GetOptions())
        if about is None:
            continue
        arguments = {}
        for argument in field.message_type.fields:
            said = options("FieldOptions", "argument", argument.GetOptions())
            arguments[argument.name] = said is not None and said.required
        out[field.name] = (about.name, arguments)
    return out


TABLE = described()


def test_the_table_is_there():
    assert len(TABLE) >= 14
    assert TABLE["fs_read"] == ("fs.read", {"path": True, "offset": False, "length": False})


@pytest.mark.parametrize("primitive", TABLE)
def test_python_has_it_with_the_same_arguments(primitive):
    name, arguments = TABLE[primitive]
    module, function = name.split(".")
    signature = inspect.signature(getattr(importlib.import_module("alos." + module), function))
    parameters = {key: value for key, value in signature.parameters.items() if key != "on_output"}
    assert set(parameters) == {SPELLED.get(key, key) for key in arguments}
    for key, required in arguments.items():
        # Content is what writing is about: required there, and an option of a command.
        if required:
            assert parameters[SPELLED.get(key, key)].default is inspect.Parameter.empty, key
    assert primitive in CALLS, "every ending of it is tested"
    assert PRIMITIVES[primitive][0] == name


def test_cpp_has_them_all():
    with open(os.environ["ALOS_CALLS_INC"], encoding="utf-8") as file:
        found = re.findall(r'^ALOS_CALL\((\w+), (\w+), "([\w.]+)", (\w+), (\w+)', file.read(), re.MULTILINE)
    assert [(field, name) for _, field, name, _, _ in found] == [(key, value[0]) for key, value in TABLE.items()]
    assert {field: effect for _, field, _, effect, _ in found} == {key: value[1] for key, value in PRIMITIVES.items()}
