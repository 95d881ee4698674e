"""A pytest plug-in: the fixture `mesh`, to start a made-up mesh, apply to it, call through it, and assert.

In: manifests, requests.                      Out: Call: who answers what.
Before: stages/rehearsing.py                  After: pytest (entry point `pytest11`)

Only pytest is imported until a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import Struct

if TYPE_CHECKING:
    from lateen.explain.ways import Journey
    from lateen.stages.rehearsing import Rehearsal


class Call(Struct, frozen=True):
    """What became of one request."""

    journey: Journey

    @property
    def status(self) -> int:
        """The status most of such requests get; 0 where no HTTP is spoken, or the connection is closed."""
        from lateen.explain.ways import ends_of

        ends = sorted(ends_of(self.journey), key=lambda end: -end.share)
        return ends[0].answer.status

    @property
    def shares(self) -> Mapping[str, float]:
        """Who answers, with the percent of requests."""
        from lateen.explain.ways import ends_of

        found: dict[str, float] = {}
        for end in ends_of(self.journey):
            found[end.answer.by] = found.get(end.answer.by, 0.0) + end.share
        return found

    def check(self, **expected: Any) -> None:
        """Fail unless all is as expected; names as in a `*.mesh-test.yaml`, `denied_by` for `deniedBy`."""
        import msgspec

        from lateen.explain.expecting import differences
        from lateen.explain.suite import Expect

        tree = {_camel(name): value for name, value in expected.items()}
        wrong = differences(msgspec.convert(tree, Expect), self.journey)
        assert not wrong, "\n".join([*wrong, "", str(self)])  # noqa: S101 - what pytest is told by

    def __str__(self) -> str:
        """The whole way, as `lateen explain` tells it."""
        from lateen.explain.telling import told

        return "\n".join(told(self.journey))


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


@dataclass
class Mesh:
    """A mesh that files would make. Nothing of it runs, so it is there at once."""

    _paths: list[str] = field(default_factory=list)
    _texts: list[str] = field(default_factory=list)
    _made: Rehearsal | None = None

    def start(self, *paths: str | Path) -> Mesh:
        """Begin anew with these files and folders."""
        self._paths, self._texts, self._made = [str(path) for path in paths], [], None
        return self

    def apply(self, text: str) -> Mesh:
        """Add YAML on top of what is there; an object of the same name takes the other's place."""
        self._texts.append(text)
        self._made = None
        return self

    def call(
        self,
        request: str,
        *,
        source: str = "",
        via: str = "",
        headers: Mapping[str, str] | None = None,
        claims: Mapping[str, Any] | None = None,
        ip: str = "",
    ) -> Call:
        """The way of `[METHOD] URL` from a workload (`source`), or from outside (by the gateway `via`)."""
        import json

        from lateen.explain.asking import ask_of
        from lateen.explain.suite import split_request

        method, url = split_request(request)
        jwt = json.dumps(claims) if claims is not None else ""
        ask = ask_of(method, url, headers=(headers or {}).items(), jwt=jwt)
        return Call(self._mesh().journey(ask, source=source, via=via, client=ip))

    def _mesh(self) -> Rehearsal:
        if self._made is None:
            from lateen.base.errors import LateenError
            from lateen.base.problem import Level
            from lateen.stages.drafts import draft_with
            from lateen.stages.rehearsing import Rehearsal

            draft = draft_with(self._paths, self._texts)
            if draft.refused:
                errors = (str(p) for p in draft.problems if p.level is Level.ERROR)
                raise LateenError("\n".join(errors))
            self._made = Rehearsal(draft=draft)
        return self._made


@pytest.fixture
def mesh() -> Mesh:
    """A mesh of your manifests, for one test: `mesh.start("k8s/").call("http://web/", source="api")`."""
    return Mesh()
