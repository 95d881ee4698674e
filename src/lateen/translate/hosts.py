"""Host names as rules write them: short names, wildcards, the names a client may use.

In: a name, a namespace.    Out: full names, matches, domains.
Before: world/model.py      After: translate/destinations.py, translate/outbound.py

Source: Istio's "host" fields: a name without a dot belongs to the rule's own namespace; any other
name is taken as it is, so `reviews.shop` is not a service.
"""

from __future__ import annotations

from functools import lru_cache

from lateen.world.model import CLUSTER_DOMAIN, Service, Shape, World

_SVC = f".svc.{CLUSTER_DOMAIN}"
MESH = "mesh"


def full_host(name: str, namespace: str) -> str:
    """The full name, in lower case, of a host written in a rule of that namespace."""
    lower = name.lower()
    if "." in lower or lower.startswith("*"):
        return lower
    return f"{lower}.{namespace}{_SVC}"


def hint(name: str) -> str:
    """How a host that was not found may have been meant."""
    if name.count(".") == 1 and not name.endswith((".com", ".org", ".net", ".io")):
        return f"did you mean {name}{_SVC}?"
    return ""


def is_wild(host: str) -> bool:
    """Whether the host stands for many."""
    return host.startswith("*")


def covers(pattern: str, host: str) -> bool:
    """Whether a pattern (`*.example.com`, `*`, or a name) takes in a host, wild or not."""
    if not is_wild(pattern):
        return pattern == host
    return host.removeprefix("*").endswith(pattern[1:])


@lru_cache(maxsize=1 << 16)
def wild_candidates(host: str) -> tuple[str, ...]:
    """The wildcards that could cover a host, most specific first: `*.a.b`, `*.b`, `*`."""
    labels = host.removeprefix("*.").split(".") if is_wild(host) else host.split(".")[1:]
    found = ["*." + ".".join(labels[at:]) for at in range(len(labels))]
    return (*found, "*")


def resolve(world: World, host: str, namespace: str) -> Service | None:
    """The service that answers to a full name; an ExternalName leads on to its target."""
    service = world.service(host, namespace)
    if service and service.shape is Shape.EXTERNAL_NAME:
        target = world.service(service.alias, namespace)
        return target if target and target.shape is not Shape.EXTERNAL_NAME else None
    return service


def host_forms(host: str, namespace: str) -> list[str]:
    """What a client in that namespace may write for a host: full, short where it is right."""
    if not host.endswith(_SVC):
        return [host]
    name, _, own = host.removesuffix(_SVC).partition(".")
    forms = [host, f"{host}.", f"{name}.{own}.svc", f"{name}.{own}"]
    return [*forms, name] if own == namespace else forms
