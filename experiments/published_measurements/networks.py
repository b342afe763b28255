"""Which network a submission ran: one name for what submitters call differently, its family and its
precision."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Precision = Literal["float32", "int8"]

_FORMS = (
    # mobilenet-v1-0.25-128-non-quantized
    re.compile(r"(?P<name>mobilenet-v[12]-[\d.]+-\d+)-(?P<precision>non-quantized|quantized)"),
    # mobilenet-v2-precision_float-0.35-128
    re.compile(r"(?P<head>mobilenet-v[12])-precision_(?P<precision>float|uint8)-(?P<tail>[\d.]+-\d+)"),
    # mobilenet-v3-large-minimalistic_224_1.0_uint8
    re.compile(
        r"mobilenet-v3-(?P<size>large|small)(?P<minimal>-minimalistic)?_224_(?P<width>[\d.]+)_(?P<precision>float|uint8)"
    ),
    # mobilenet-v3-precision_float-small-minimalistic-224
    re.compile(
        r"mobilenet-v3-precision_(?P<precision>float|uint8)-(?P<size>large|small)(?P<minimal>-minimalistic)?-224"
    ),
    # efficientnet-lite0-quantized
    re.compile(r"(?P<name>efficientnet-lite\d)-(?P<precision>non-quantized|quantized)"),
    # efficientnet-int8-lite0
    re.compile(r"efficientnet-(?P<precision>fp32|int8)-(?P<lite>lite\d)"),
)
_PRECISIONS: dict[str, Precision] = {
    "non-quantized": "float32",
    "float": "float32",
    "fp32": "float32",
    "quantized": "int8",
    "uint8": "int8",
    "int8": "int8",
}


class Network(NamedTuple):
    """A network of the published tables of operations, at a precision."""

    name: str
    precision: Precision


def identify(submitted: str) -> Network | None:
    """The network of a submission by the name that its folder has; None where it is not of a published
    family.

    Example:
        >>> identify("mobilenet-v2-precision_uint8-0.35-128")
        Network(name='mobilenet-v2-0.35-128', precision='int8')
    """
    for form in _FORMS:
        match = form.fullmatch(submitted)
        if match:
            return Network(_name(match.groupdict()), _PRECISIONS[match["precision"]])
    return None


def _name(parts: dict[str, str | None]) -> str:
    if parts.get("name"):
        return str(parts["name"])
    if parts.get("head"):
        return f"{parts['head']}-{parts['tail']}"
    if parts.get("lite"):
        return f"efficientnet-{parts['lite']}"
    return f"mobilenet-v3-{parts['size']}{parts['minimal'] or ''}-{parts.get('width') or '1.0'}-224"
