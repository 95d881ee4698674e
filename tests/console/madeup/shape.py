"""What the made-up mesh is made of: workloads, and who calls whom how often.

Everything follows from the clock, so that rates, charts and the past agree with each other.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

OUTSIDE = "unknown"


@dataclass(frozen=True, kw_only=True)
class Work:
    """One workload: `pods` replicas behind the Service `service`."""

    namespace: str
    name: str
    service: str
    version: str = ""
    pods: int = 1
    port: int = 8080

    @property
    def pod_names(self) -> tuple[str, ...]:
        """Its pods' names, as a ReplicaSet gives them."""
        return tuple(f"{self.name}-5d9f7c6b4-{i:05x}" for i in range(self.pods))


@dataclass(frozen=True, kw_only=True)
class Call:
    """Requests of one workload to another: `rate` a second, `errors` their failing share."""

    source: Work | None  # None: from outside the mesh
    target: Work
    rate: float
    errors: float = 0.0
    hidden: float = 0.0  # share of the tries that fail and are made again
    p95: float = 20.0  # milliseconds
    tcp: bool = False


@dataclass(frozen=True)
class Shape:
    """The whole mesh."""

    works: tuple[Work, ...]
    calls: tuple[Call, ...]


def shop() -> Shape:
    """A shop of three namespaces, with a canary and one service that fails."""
    gateway = Work(
        namespace="istio-system",
        name="istio-ingressgateway",
        service="istio-ingressgateway",
        port=80,
    )
    web = Work(namespace="shop", name="web", service="web", pods=2)
    catalog = Work(namespace="shop", name="catalog", service="catalog", pods=2)
    cart = Work(namespace="shop", name="cart", service="cart")
    checkout = Work(namespace="shop", name="checkout", service="checkout", pods=2)
    reviews = tuple(
        Work(namespace="shop", name=f"reviews-{v}", service="reviews", version=v)
        for v in ("v1", "v2")
    )
    payments = Work(namespace="money", name="payments", service="payments", pods=2)
    fraud = Work(namespace="money", name="fraud-check", service="fraud-check")
    mail = Work(namespace="money", name="mail-out", service="")
    orders = Work(namespace="data", name="orders-db", service="orders-db", port=5432)
    cache = Work(namespace="data", name="cache", service="cache", port=6379)
    calls = (
        Call(source=None, target=gateway, rate=46),
        Call(source=gateway, target=web, rate=46, errors=0.004, p95=84),
        Call(source=web, target=catalog, rate=61, p95=22),
        Call(source=web, target=cart, rate=14, hidden=0.3, p95=9),
        Call(source=web, target=checkout, rate=6, errors=0.07, p95=410),
        Call(source=catalog, target=reviews[0], rate=28, p95=17),
        Call(source=catalog, target=reviews[1], rate=3.1, p95=19),
        Call(source=checkout, target=payments, rate=6, errors=0.11, p95=380),
        Call(source=checkout, target=cart, rate=6, p95=8),
        Call(source=checkout, target=orders, rate=4, tcp=True),
        Call(source=cart, target=cache, rate=2, tcp=True),
        Call(source=payments, target=fraud, rate=6, p95=31),
        Call(source=payments, target=mail, rate=0, p95=12),
    )
    works = (
        *(gateway, web, catalog, cart, checkout, *reviews),
        *(payments, fraud, mail, orders, cache),
    )
    return Shape(works=works, calls=calls)


def many(services: int, calls: int) -> Shape:
    """A mesh of that size, in namespaces of 25; the same one each time."""
    dice = random.Random(7)  # noqa: S311 - it only has to be the same each time
    works = tuple(
        Work(namespace=f"team-{i // 25:02}", name=f"service-{i:03}", service=f"service-{i:03}")
        for i in range(services)
    )
    ends: set[tuple[int, int]] = set()
    while len(ends) < calls:
        source = dice.randrange(services)
        near = dice.random() < 0.75
        reach = range(source - source % 25, source - source % 25 + 25) if near else range(services)
        target = dice.choice(reach)
        if source < target < services:
            ends.add((source, target))
    made = tuple(
        Call(
            source=works[a],
            target=works[b],
            rate=dice.choice((0, 0.5, 3, 12, 80)),
            errors=dice.choice((0, 0, 0, 0, 0, 0.01, 0.2)),
        )
        for a, b in sorted(ends)
    )
    return Shape(works=works, calls=made)
