"""Who a request's client is for a gateway that believes the proxies in front of it.

In: Request, how many proxies are believed.    Out: Request.
Before: request.py                             After: walk_ir.py, walk_envoy.py
"""

from __future__ import annotations

from ipaddress import ip_address

from msgspec.structs import replace

from lateen.explain.request import Request

FORWARDED_FOR = "x-forwarded-for"


def believed(request: Request, proxies: int) -> Request:
    """The request with the client that `x-forwarded-for` names, so many addresses from its end."""
    said = ",".join(value for name, value in request.headers if name == FORWARDED_FOR)
    addresses = [each.strip() for each in said.split(",")] if said else []
    if not 0 < proxies <= len(addresses):
        return request
    try:
        client = ip_address(addresses[-proxies])
    except ValueError:
        return request
    return replace(request, client=str(client))
