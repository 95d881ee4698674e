"""Kubernetes' quantities: `100m`, `1.5`, `128Mi`, `1e3`.

In: text or a number.    Out: Quantity (as written), `exact`, `milli`, `whole`.
Before: base/       After: api/pod.py, stages/resolving.py
Source: k8s.io/apimachinery pkg/api/resource/quantity.go.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

Quantity = str | int | float

QUANTITY_FORM = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_WRITTEN = re.compile(
    r"(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:(?P<suffix>[numkMGTPE]|[KMGTPE]i)|[eE](?P<power>[+-]?\d{1,3}))?"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def exact(quantity: Quantity) -> Fraction:
    """The number meant, exactly; raises ValueError with Kubernetes' words."""
    found = _WRITTEN.fullmatch(str(quantity).strip())
    if found is None:
        raise ValueError(QUANTITY_FORM)
    number = Fraction(found["number"])
    suffix = found["suffix"] or ""
    if suffix in _BINARY:
        return number * Fraction(1024 ** _BINARY[suffix])
    power = int(found["power"]) if found["power"] else _DECIMAL[suffix]
    return number * Fraction(10**power) if power >= 0 else number / Fraction(10**-power)


def milli(quantity: Quantity) -> int:
    """In thousandths, rounded up, as for CPU; raises ValueError."""
    return math.ceil(exact(quantity) * 1000)


def whole(quantity: Quantity) -> int:
    """In ones, rounded up, as for bytes; raises ValueError."""
    return math.ceil(exact(quantity))
