"""Bodies of remote_write 2.0 to columns of samples: labels are numbers into a table of symbols."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from anomalyd.sources.decode import BodyError, Columns, Identity, columns
from anomalyd.sources.metadata import Metadata, made
from anomalyd.sources.wire import WRITE_2

_BETWEEN = b"\xff"
"""Between the symbols of a series: a byte that no UTF-8 has."""


def decode_2(body: bytes, identity: Identity) -> Columns:
    """Of a Request of remote_write 2.0, whose labels are numbers into a table of symbols.

    `identity` must not be that of 1.0. Raises DecodeError, and BodyError for symbols that are not
    there.
    """
    request = WRITE_2["Request"].FromString(body)
    symbols = list(request.symbols)
    if symbols and symbols[0] != b"":
        raise BodyError("the first symbol is not the empty one")
    if any(_BETWEEN in symbol for symbol in symbols):
        raise BodyError("a symbol is not UTF-8")
    metadata: list[tuple[str | int, Metadata]] = []
    many = _each_2(request, symbols, identity, metadata)
    return columns(many, lambda one: _texts(_words(one.labels_refs, symbols)), metadata)


def _each_2(
    request: Any,
    symbols: list[bytes],
    identity: Identity,
    metadata: list[tuple[str | int, Metadata]],
) -> Iterator[tuple[int, Any]]:
    """Every series says its metadata with every sample; once is enough."""
    for one in request.timeseries:
        code = _named_2(one, symbols, identity)
        if code >= 0 and code not in identity.described and one.HasField("metadata"):
            identity.described.add(code)
            told = one.metadata
            unit, text = _words([told.unit_ref, told.help_ref], symbols)
            read = made(told.type, unit.decode(errors="replace"), text.decode(errors="replace"))
            metadata.append((code, read))
        yield code, one


def _named_2(series: Any, symbols: list[bytes], identity: Identity) -> int:
    words = _words(series.labels_refs, symbols)
    key = _BETWEEN.join(words)
    code = identity.known.get(key)
    return identity.learn(key, _texts(words)) if code is None else code


def _words(references: Iterable[int], symbols: list[bytes]) -> list[bytes]:
    try:
        return [symbols[at] for at in references]
    except IndexError:
        raise BodyError("a label refers to a symbol that is not there") from None


def _texts(words: list[bytes]) -> list[tuple[str, str]]:
    if len(words) % 2:
        raise BodyError("a label has a name and no value")
    try:
        texts = [word.decode() for word in words]
    except UnicodeDecodeError:
        raise BodyError("a symbol is not UTF-8") from None
    return list(zip(texts[::2], texts[1::2], strict=True))
