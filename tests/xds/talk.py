"""A pretended Envoy for transcripts: it says things, and notes in short form what we say to it.

`CDS +a +b -c` is one response with resources a and b that tells c is absent.
"""

from __future__ import annotations

from collections.abc import Mapping

from lateen.envoy.resources import Resource, Resources, ResourceType, version_of
from lateen.xds.events import Event
from lateen.xds.messages import DeltaRequest, DeltaResponse, NoSecrets, SecretSource
from lateen.xds.stream import RESPONSE_LIMIT, Output, Stream

CDS = ResourceType.CLUSTER
EDS = ResourceType.ENDPOINTS
LDS = ResourceType.LISTENER
RDS = ResourceType.ROUTES
SDS = ResourceType.SECRET


def resource(name: str, content: str = "1") -> Resource:
    """A resource whose version follows from its content."""
    body = content.encode()
    return Resource(name=name, version=version_of(body), body=body)


def snapshot(
    cds: str = "", eds: str = "", lds: str = "", rds: str = "", sds: str = ""
) -> dict[ResourceType, Mapping[str, Resource]]:
    """`snapshot(cds="web web2=new")`: names, each with its content after `=` when it matters."""
    words = {CDS: cds, EDS: eds, LDS: lds, RDS: rds, SDS: sds}
    return {
        type_: {
            name: resource(name, content or "1")
            for name, _, content in (word.partition("=") for word in text.split())
        }
        for type_, text in words.items()
    }


def held(resources: Resources, type_: ResourceType) -> dict[str, str]:
    """What a proxy that has this snapshot reports when it connects again."""
    return {name: r.version for name, r in resources.get(type_, {}).items()}


def short(response: DeltaResponse) -> str:
    """`CDS +web -old`."""
    parts = [f"+{r.name}" for r in response.resources] + [f"-{name}" for name in response.removed]
    return " ".join([response.type.short, *parts])


class Talk:
    """A stream and the proxy at its other end."""

    def __init__(
        self,
        snapshot: Resources | None = None,
        *,
        secrets: SecretSource | None = None,
        response_limit: int = RESPONSE_LIMIT,
    ) -> None:
        self.stream = Stream("web", secrets or NoSecrets(), response_limit=response_limit)
        self.events: list[Event] = []
        self.unanswered: dict[ResourceType, list[DeltaResponse]] = {t: [] for t in ResourceType}
        if snapshot is not None:
            self.put(snapshot)

    def heard(self, output: Output) -> list[str]:
        """Take in what we say."""
        self.events += output.events
        for response in output.responses:
            self.unanswered[response.type].append(response)
        return [short(response) for response in output.responses]

    def asks(
        self, type_: ResourceType, *names: str, held: Mapping[str, str] | None = None
    ) -> list[str]:
        """Subscribe; no name means everything."""
        request = DeltaRequest(type=type_, subscribe=names, initial_versions=held or {})
        return self.heard(self.stream.on_request(request))

    def drops(self, type_: ResourceType, *names: str) -> list[str]:
        """Unsubscribe."""
        return self.heard(self.stream.on_request(DeltaRequest(type=type_, unsubscribe=names)))

    def acks(self, type_: ResourceType) -> list[str]:
        """Accept the oldest unanswered response of the type."""
        nonce = self.unanswered[type_].pop(0).nonce
        return self.heard(self.stream.on_request(DeltaRequest(type=type_, nonce=nonce)))

    def nacks(self, type_: ResourceType, message: str) -> list[str]:
        """Refuse the oldest unanswered response of the type."""
        nonce = self.unanswered[type_].pop(0).nonce
        request = DeltaRequest(type=type_, nonce=nonce, error=message)
        return self.heard(self.stream.on_request(request))

    def put(self, resources: Resources) -> list[str]:
        """A new snapshot for the proxy."""
        return self.heard(self.stream.on_snapshot(resources))

    def acks_all(self) -> list[str]:
        """Accept whatever comes until nothing more comes."""
        said: list[str] = []
        while waiting := [t for t in ResourceType if self.unanswered[t]]:
            for type_ in waiting:
                said += self.acks(type_)
        return said

    def settled(self, resources: Resources) -> None:
        """Go through the whole start of a proxy with this snapshot, and forget how."""
        self.put(resources)
        self.asks(CDS)
        if names := resources.get(EDS):
            self.asks(EDS, *names)
        self.acks_all()
        self.asks(LDS)
        if names := resources.get(RDS):
            self.asks(RDS, *names)
        self.acks_all()
        self.events.clear()

    def seen(self, kind: type[Event]) -> list[Event]:
        """The events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]
