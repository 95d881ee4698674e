"""The problems translation finds, with their codes.

In: an Origin and words.    Out: Problem.
Before: base/problem.py     After: every other file of translate/

| code | says |
|---|---|
| IST0101 | something named is not there: a host, a subset, a secret (Istio's code) |
| IST0109 | two VirtualServices claim one host in the mesh (Istio's code) |
| LAT0101 | a rule has no effect because an older one comes before it |
| LAT0102 | a part that is not carried yet takes the rule it stands in out of force |
| LAT0103 | a policy is applied more strictly than written, because a condition is not carried yet |
| LAT0104 | HTTP/2 upgrade is left out, because the port does not say that it is HTTP |
| LAT0105 | two listeners want the same address and port |
| LAT0107 | a fault concerns no request, because it has no percentage |
| LAT0108 | the tokens of an issuer are refused, because its keys cannot be had |
| LAT0109 | a policy asks for a token where none is ever looked at |
| LAT0110 | an authorizer is to be asked about the question put to it |
| LAT0111 | traces or access logs do not go where they should, because that is not there |
| LAT0112 | a metric or a label of one cannot be made |

All are warnings: what is not concerned goes on working.
"""

from __future__ import annotations

from lateen.api.codes import CONFLICTING_MESH_HOSTS, REFERENCE_NOT_FOUND
from lateen.base.origin import Origin
from lateen.base.problem import Level, Problem


def _warning(code: str, origin: Origin, message: str, fix: str = "") -> Problem:
    return Problem(code=code, level=Level.WARNING, origin=origin, message=message, fix=fix)


def not_found(origin: Origin, what: str, fix: str = "") -> Problem:
    """Something named does not exist."""
    return _warning(REFERENCE_NOT_FOUND, origin, f"{what} does not exist", fix)


def claimed(origin: Origin, host: str, winner: Origin) -> Problem:
    """Another VirtualService has the host already."""
    message = f"{host} is already routed by {winner.key}, which is older; these routes are not used"
    return _warning(
        CONFLICTING_MESH_HOSTS, origin, message, "put all routes of a host into one VirtualService"
    )


def overruled(origin: Origin, message: str, fix: str = "") -> Problem:
    """An older rule leaves this one without effect."""
    return _warning("LAT0101", origin, message, fix)


def not_carried(origin: Origin, message: str) -> Problem:
    """A part lateen does not carry yet."""
    return _warning("LAT0102", origin, message)


def stricter(origin: Origin, message: str) -> Problem:
    """A policy holds more back than its author wrote."""
    return _warning("LAT0103", origin, message)


def no_upgrade(origin: Origin, host: str, port: int) -> Problem:
    """HTTP/2 towards a port that may not speak HTTP at all."""
    message = f"port {port} of {host} declares no protocol, so its app may not speak HTTP/2"
    return _warning("LAT0104", origin, message, "name the port http-..., or set its appProtocol")


def taken(origin: Origin, what: str, winner: Origin) -> Problem:
    """A listener that another one keeps from being."""
    return _warning("LAT0105", origin, f"{what} is taken by {winner}; this one is left out")


def harmless(origin: Origin, what: str) -> Problem:
    """A fault without a percentage."""
    message = f"the {what} has no percentage, which in Istio means no request"
    return _warning("LAT0107", origin, message, "add percentage: {value: 100}")


def no_keys(origin: Origin, issuer: str, why: str) -> Problem:
    """An issuer whose tokens nobody can verify."""
    message = (
        f"every token of {issuer or 'this rule'} is refused, because its keys are not known: {why}"
    )
    return _warning("LAT0108", origin, message)


def no_tokens(origin: Origin) -> Problem:
    """A policy on tokens at a workload that looks at none."""
    message = (
        "it asks for a token, but no RequestAuthentication holds for these pods: no request has one"
    )
    return _warning(
        "LAT0109", origin, message, "a RequestAuthentication with the issuer's jwtRules"
    )


def asks_itself(origin: Origin) -> Problem:
    """A CUSTOM policy that holds at its own authorizer's pods."""
    message = "it holds at its authorizer's own pods, which would be asked about each question, without end"
    return _warning("LAT0110", origin, message, "a selector that leaves out the authorizer's pods")


def not_told(origin: Origin, message: str) -> Problem:
    """A provider of traces or logs that cannot be reached."""
    fix = "an extensionProvider of that name in ConfigMap istio-system/istio, for a service that is there"
    return _warning("LAT0111", origin, message, fix)


def not_counted(origin: Origin, message: str) -> Problem:
    """A metric, or a label of one, that a Telemetry asks for and no proxy can make."""
    fix = "an attribute such as request.host, response.code or request.headers['x'], or a text in quotes"
    return _warning("LAT0112", origin, message, fix)
