"""What a Prometheus query answers: a vector, a matrix, or a trouble with a name. Pure.

The answer's format: https://prometheus.io/docs/prometheus/latest/querying/api/ . Label sets stay
the raw bytes the server sent, so that finding a known series is one dict lookup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Labels


class Trouble(StrEnum):
    UNREACHABLE = "unreachable"
    TLS = "tls"
    TIMEOUT = "timeout"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    BAD_QUERY = "bad-query"
    UNPROCESSABLE = "unprocessable"
    THROTTLED = "throttled"
    SERVER = "server-error"
    REFUSED = "refused"
    BROKEN = "broken-answer"
    WRONG_TYPE = "wrong-type"
    NATIVE_HISTOGRAM = "native-histogram"
    TOO_MANY_SERIES = "too-many-series"
    TOO_LARGE = "too-large"


_RETRYABLE = {
    Trouble.UNREACHABLE,
    Trouble.TIMEOUT,
    Trouble.THROTTLED,
    Trouble.SERVER,
    Trouble.BROKEN,
}
_FATAL = {Trouble.UNAUTHORIZED, Trouble.FORBIDDEN, Trouble.NOT_FOUND, Trouble.TLS}
_TOO_MUCH = {Trouble.UNPROCESSABLE, Trouble.TIMEOUT, Trouble.SERVER, Trouble.TOO_LARGE}


REFUSALS: Mapping[int, tuple[Trouble, str]] = {
    400: (Trouble.BAD_QUERY, "refuses the query"),
    401: (Trouble.UNAUTHORIZED, "does not know us; check auth and headers"),
    403: (Trouble.FORBIDDEN, "forbids this; give the account the permission to query"),
    422: (Trouble.UNPROCESSABLE, "could not execute the query"),
    429: (Trouble.THROTTLED, "asks us to slow down"),
}
"""What servers that are asked mean by a status, and what to do."""


class QueryError(Exception):
    """One clear sentence (`str`) with its kind; `status` 0 where no HTTP status was had.

    retry_after: seconds the server asked us to wait, where it did.
    """

    def __init__(
        self, kind: Trouble, message: str, status: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.retry_after = retry_after

    @property
    def retryable(self) -> bool:
        """Whether the same query may succeed a little later."""
        return self.kind in _RETRYABLE

    @property
    def fatal(self) -> bool:
        """Whether no query is answered until somebody mends the settings."""
        return self.kind in _FATAL

    @property
    def too_much(self) -> bool:
        """Whether asking for a shorter range may help (422, 5xx, timeout, body over the limit)."""
        return self.kind in _TOO_MUCH


@dataclass(frozen=True, slots=True)
class Vector:
    """keys: n label sets as the server's JSON bytes; values: float64[n], NaN and ±Inf included."""

    keys: list[bytes]
    values: Floats
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """keys: n label sets as JSON bytes; times: float64[T], the asked grid; values: float32[n, T].

    NaN where a series has no point or the point is NaN. `notes`: the server's warnings and infos.
    """

    keys: list[bytes]
    times: Floats
    values: NDArray[np.float32]
    notes: tuple[str, ...] = ()


_ABSENT = msgspec.Raw(b"")


class _Sample(msgspec.Struct, gc=False):
    metric: msgspec.Raw
    value: tuple[float, str] | None = None
    histogram: msgspec.Raw = _ABSENT


class _Series(msgspec.Struct, gc=False):
    metric: msgspec.Raw
    values: msgspec.Raw = _ABSENT
    histograms: msgspec.Raw = _ABSENT


class _VectorData(msgspec.Struct):
    resultType: str
    result: list[_Sample]


class _MatrixData(msgspec.Struct):
    resultType: str
    result: list[_Series]


class _ScalarData(msgspec.Struct):
    resultType: str
    result: tuple[float, str]


class _AnyData(msgspec.Struct):
    resultType: str = "nothing"


class _Answer(msgspec.Struct):
    status: str
    warnings: list[str] | None = None
    infos: list[str] | None = None

    def notes(self) -> tuple[str, ...]:
        return (*(self.warnings or ()), *(self.infos or ()))


class _VectorAnswer(_Answer, kw_only=True):
    data: _VectorData


class _MatrixAnswer(_Answer, kw_only=True):
    data: _MatrixData


class _ScalarAnswer(_Answer, kw_only=True):
    data: _ScalarData


class _AnyAnswer(_Answer, kw_only=True):
    data: _AnyData = msgspec.field(default_factory=_AnyData)


_vector = msgspec.json.Decoder(_VectorAnswer)
_matrix = msgspec.json.Decoder(_MatrixAnswer)
_scalar = msgspec.json.Decoder(_ScalarAnswer)
_any = msgspec.json.Decoder(_AnyAnswer)
_labels = msgspec.json.Decoder(dict[str, str])


def parse_labels(key: bytes) -> Labels:
    """The label set of a key. Raises QueryError where it is not an object of strings."""
    try:
        return Labels.of(_labels.decode(key))
    except msgspec.MsgspecError as error:
        raise QueryError(
            Trouble.BROKEN, f"a series came with labels that cannot be read ({error})"
        ) from error


def decode_vector(body: bytes) -> Vector:
    """Decode the answer of an instant query; a scalar is a vector of one series without labels.

    Raises QueryError: broken-answer, wrong-type, native-histogram.
    """
    try:
        answer = _vector.decode(body)
    except msgspec.MsgspecError as error:
        return _decode_scalar(body, error)
    samples = answer.data.result
    if answer.data.resultType != "vector":
        raise _wrong_type(answer.data.resultType, "vector")
    try:
        values = [float(sample.value[1]) for sample in samples]  # type: ignore[index]
    except (TypeError, ValueError) as error:
        raise _no_value(any(bytes(s.histogram) for s in samples)) from error
    keys = [bytes(sample.metric) for sample in samples]
    return Vector(keys, np.array(values, dtype=np.float64), answer.notes())


def _decode_scalar(body: bytes, error: msgspec.MsgspecError) -> Vector:
    try:
        answer = _scalar.decode(body)
        if answer.data.resultType == "scalar":
            return Vector([b"{}"], np.array([float(answer.data.result[1])]), answer.notes())
    except (msgspec.MsgspecError, ValueError):
        pass
    raise _diagnose(body, "vector", error)


def decode_matrix(body: bytes, start: float, end: float, step: float) -> Matrix:
    """Decode the answer of a range query over start, start + step, … end (all inclusive).

    Raises QueryError: broken-answer, wrong-type, native-histogram.
    """
    try:
        answer = _matrix.decode(body)
    except msgspec.MsgspecError as error:
        raise _diagnose(body, "matrix", error) from error
    if answer.data.resultType != "matrix":
        raise _wrong_type(answer.data.resultType, "matrix")
    series = answer.data.result
    times: Floats = start + step * np.arange(round((end - start) / step) + 1, dtype=np.float64)
    values = np.full((len(series), len(times)), np.nan, dtype=np.float32)
    with np.errstate(over="ignore"):
        for row, one in enumerate(series):
            if bytes(one.histograms) or not bytes(one.values):
                raise _no_value(bool(bytes(one.histograms)))
            _fill(values[row], bytes(one.values), start, step)
    return Matrix([bytes(one.metric) for one in series], times, values, answer.notes())


def _fill(row: NDArray[np.float32], raw: bytes, start: float, step: float) -> None:
    """Write `[[1700000000,"1.5"],…]` into its places of the grid.

    Splitting at the quotes leaves values at odd places and timestamps at even ones; a series
    with a point at every step needs no timestamps read.
    """
    pieces = raw.split(b'"')
    try:
        values = list(map(float, pieces[1::2]))
        if len(values) == len(row):
            row[:] = values
            return
        stamps = [float(piece.strip(b"[], \n")) for piece in pieces[0 : 2 * len(values) : 2]]
        places = np.rint((np.array(stamps) - start) / step).astype(np.intp)
        if (places < 0).any():
            raise ValueError("a timestamp lies before the start")
        row[places] = values
    except (ValueError, IndexError) as error:
        raise QueryError(
            Trouble.BROKEN, f"a series came with points that cannot be read ({error})"
        ) from error


def _no_value(histogram: bool) -> QueryError:
    if histogram:
        return QueryError(
            Trouble.NATIVE_HISTOGRAM,
            "the query yields native histograms, not numbers; "
            "wrap it in histogram_quantile, histogram_sum or histogram_count",
        )
    return QueryError(Trouble.BROKEN, "a series came without a value that is a number")


def _wrong_type(found: str, wanted: str) -> QueryError:
    return QueryError(
        Trouble.WRONG_TYPE, f"the query yields a {found}, a {wanted} is needed; check its promql"
    )


def _diagnose(body: bytes, wanted: str, error: msgspec.MsgspecError) -> QueryError:
    try:
        answer = _any.decode(body)
    except msgspec.MsgspecError:
        start = body.lstrip()[:1]
        what = "cut off or damaged JSON" if start == b"{" else "not JSON (a login or proxy page?)"
        what = what if start else "empty"
        return QueryError(Trouble.BROKEN, f"the answer is {what}: {error}")
    if answer.status != "success" or answer.data.resultType in (wanted, "nothing"):
        return QueryError(Trouble.BROKEN, f"the answer has not the form of the query API: {error}")
    return _wrong_type(answer.data.resultType, wanted)
