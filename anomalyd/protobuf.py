"""Protobuf message classes with the fields that are read alone, built when a module is imported.

A field that is not named is passed over by the parser, which is what makes them quicker than the
official classes. No code is generated, and the only dependency is `protobuf` (its C parser, upb).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError

__all__ = ["DecodeError", "Fields", "message_classes"]

Fields = Mapping[str, tuple[int, str]]
"""Name to (number, type): a scalar of protobuf or another message; `*` behind it if repeated."""

_SCALARS = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "fixed32": FieldDescriptorProto.TYPE_FIXED32,
    "fixed64": FieldDescriptorProto.TYPE_FIXED64,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "sfixed64": FieldDescriptorProto.TYPE_SFIXED64,
    "sint32": FieldDescriptorProto.TYPE_SINT32,
    "sint64": FieldDescriptorProto.TYPE_SINT64,
    "string": FieldDescriptorProto.TYPE_STRING,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
}


def message_classes(package: str, messages: Mapping[str, Fields]) -> dict[str, Any]:
    """A class for each of `messages`, by name, in a pool of their own.

    Scalars are of proto3. `bytes` may stand for a string that need not be UTF-8 and for a message
    that is parsed later or never. A scalar field that begins with `?` tells absent from zero.
    """
    file = FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, (number, said) in fields.items():
            kind = said.strip("?*")
            added = message.field.add(name=field, number=number)
            repeated = said.endswith("*")
            added.label = added.LABEL_REPEATED if repeated else added.LABEL_OPTIONAL
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type, added.type_name = added.TYPE_MESSAGE, f".{package}.{kind}"
            if said.startswith("?"):
                added.proto3_optional = True
                added.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"{package}.{name}") for name in messages}
    return {name: message_factory.GetMessageClass(one) for name, one in found.items()}
