"""State of the world in the words of the delta protocol, and back."""

from __future__ import annotations

from lateen.xds.messages import DeltaRequest, DeltaResponse
from lateen.xds.whole import Whole, WholeRequest, WholeResponse
from tests.xds.talk import CDS, EDS, LDS, resource


def asks(whole: Whole, *names: str, nonce: str = "", error: str | None = None) -> DeltaRequest:
    return whole.asked(WholeRequest(type=CDS, names=names, nonce=nonce, error=error))


def test_names_are_compared_with_those_of_the_request_before() -> None:
    whole = Whole()
    assert asks(whole, "a", "b").subscribe == ("a", "b")
    again = asks(whole, "a", "b", nonce="1")
    assert (again.subscribe, again.unsubscribe, again.nonce) == ((), (), "1")
    less = asks(whole, "b", "c", nonce="2", error="no")
    assert (less.subscribe, less.unsubscribe, less.error) == (("c",), ("a",), "no")


def test_clusters_and_listeners_are_answered_with_all_that_is_wanted() -> None:
    whole = Whole()
    a, b = resource("a"), resource("b")
    asks(whole, "a", "b")
    whole.said(DeltaResponse(type=CDS, nonce="1", resources=(a, b)))
    newer = resource("b", "2")
    said = whole.said(DeltaResponse(type=CDS, nonce="2", resources=(newer,)))
    assert said == WholeResponse(type=CDS, nonce="2", resources=(a, newer))
    said = whole.said(DeltaResponse(type=CDS, nonce="3", removed=("a",)))
    assert said == WholeResponse(type=CDS, nonce="3", resources=(newer,))
    asks(whole, "c")
    said = whole.said(DeltaResponse(type=CDS, nonce="4", removed=("c",)))
    assert said == WholeResponse(type=CDS, nonce="4", resources=())
    assert isinstance(whole.said(DeltaResponse(type=LDS, nonce="1")), WholeResponse)


def test_of_endpoints_only_what_changed_is_sent_and_a_removal_is_taken_as_known() -> None:
    whole = Whole()
    a, b = resource("a"), resource("b")
    whole.asked(WholeRequest(type=EDS, names=("a", "b")))
    whole.said(DeltaResponse(type=EDS, nonce="1", resources=(a,)))
    said = whole.said(DeltaResponse(type=EDS, nonce="2", resources=(b,)))
    assert said == WholeResponse(type=EDS, nonce="2", resources=(b,))
    said = whole.said(DeltaResponse(type=EDS, nonce="3", removed=("a",)))
    assert said == DeltaRequest(type=EDS, nonce="3")
