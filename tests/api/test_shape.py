"""Every fault of a tree is found at once, and what is left still fits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from lateen.api.fields import Api, NotYet, dec_hook
from lateen.api.kinds import KINDS, Kind
from lateen.api.shape import FaultKind, fields_of, shape
from lateen.api.virtualservice import VirtualService


def virtual_service(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "spec": {"hosts": ["x"], **spec}}


def faults(raw: dict[str, Any]) -> dict[str, str]:
    return {f.path: f"{f.message} | {f.fix}" for f in shape(VirtualService, raw).faults}


def test_all_faults_are_gathered() -> None:
    found = faults(
        virtual_service(
            http=[
                {
                    "retry": {},
                    "timeout": 5,
                    "route": [
                        {"destination": {"host": "a"}, "weight": "ninety"},
                        {"destination": {}, "weight": 10},
                    ],
                }
            ]
        )
    )
    assert found == {
        "spec.http[0].retry": 'unknown field "retry" | did you mean "retries"?',
        "spec.http[0].timeout": (
            "wanted a duration such as 30s, 1.5h, 200ms or 1m30s, got the number 5"
            " | write 5s if seconds are meant"
        ),
        "spec.http[0].route[0].weight": 'wanted a whole number, got the text "ninety" | ',
        "spec.http[0].route[1].destination.host": "required, and not given: wanted text | ",
    }


def test_an_unknown_field_with_nothing_near_lists_the_fields() -> None:
    found = faults(virtual_service(zebra=1))
    assert "the fields here are: exportTo, gateways, hosts" in found["spec.zebra"]


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        (True, 'quote it as it should read: "true", or "yes", "on" … as written'),
        (8080, 'quote it: "8080"'),
    ],
)
def test_text_without_quotes_is_told_how_to_be_text(value: object, fix: str) -> None:
    found = faults(virtual_service(hosts=[value]))
    assert found["spec.hosts[0]"].endswith(f"| {fix}")


def test_a_number_in_quotes_is_told_to_lose_them() -> None:
    match = {"match": [{"port": "80"}]}
    assert (
        "without quotes: 80" in faults(virtual_service(http=[match]))["spec.http[0].match[0].port"]
    )


def test_one_value_where_a_list_is_wanted() -> None:
    assert "write a list: [x]" in faults(virtual_service(hosts="x"))["spec.hosts"]


class Later(Api, frozen=True, kw_only=True):
    """A kind with a field that has no effect yet."""

    name: str = ""
    colour: NotYet = None


def test_a_field_not_yet_honoured_is_named_unless_it_asks_for_nothing() -> None:
    (fault,) = shape(Later, {"name": "x", "colour": "red"}).faults
    assert (fault.path, fault.kind) == ("colour", FaultKind.NOT_YET)
    assert shape(Later, {"name": "x", "colour": ""}).faults == ()


def test_nulls_are_absent_fields() -> None:
    shaped = shape(VirtualService, virtual_service(gateways=None, http=None))
    assert shaped.faults == ()
    assert shaped.raw["spec"] == {"hosts": ["x"]}


def test_list_elements_keep_their_index() -> None:
    shaped = shape(VirtualService, virtual_service(http=[1, {"name": "second"}]))
    assert shaped.raw["spec"]["http"] == [{}, {"name": "second"}]


FIELDS = [
    "metadata",
    "spec",
    "name",
    "http",
    "route",
    "destination",
    "host",
    "weight",
    "containers",
    "template",
    "selector",
    "ports",
    "port",
    "labels",
    "data",
    "x",
]

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(
    st.sampled_from(KINDS), st.dictionaries(st.sampled_from(["metadata", "spec", "data"]), _json)
)
def test_what_is_left_always_fits_its_struct(kind: Kind, raw: dict[str, Any]) -> None:
    msgspec.convert(shape(kind.struct, raw).raw, kind.struct, dec_hook=dec_hook)


def _named(kind: Any) -> Any:
    """A type by its name and those in it; of a struct only which one it is."""
    match kind:
        case inspect.StructType(cls=cls):
            return cls
        case inspect.UnionType(types=types):
            return "union", *map(_named, types)
        case inspect.VarTupleType(item_type=item):
            return "tuple", _named(item)
        case inspect.DictType(key_type=key, value_type=value):
            return "dict", _named(key), _named(value)
        case inspect.Metadata(type=inner, extra=extra):
            return "meta", _named(inner), str(extra)
    return kind


def _structs(struct: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    return {struct}.union(*map(_structs, struct.__subclasses__()))


def test_the_types_of_fields_are_what_msgspec_takes_them_for() -> None:
    for struct in _structs(Api):
        whole = inspect.type_info(struct)
        assert isinstance(whole, inspect.StructType)
        mine = fields_of(struct)
        for each in whole.fields:
            assert _named(mine[each.encode_name].type) == _named(each.type), (struct, each.name)
            assert mine[each.encode_name].required == each.required
