"""What one proxy sees of a request that another handed on.

In: Request.                        Out: Request as it is looked at there; View for symbolic reasoning.
Before: ir/routes.py, request.py    After: symbolic/wants.py, symbolic/judging.py
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from lateen.explain.presenting import as_read
from lateen.explain.request import Request
from lateen.explain.symbolic.automata import View
from lateen.explain.symbolic.callers import Caller
from lateen.explain.urls import replaced
from lateen.ir.policy import Paths


class Hop(Struct, frozen=True, kw_only=True):
    """How a place sees a request: what was changed on the way to it, and how it reads paths.

    `cut` at the beginning of the path was replaced by `put`, or all of the path by `fixed`, or what `pattern` found by
    `substitution`; `headers` were set, or removed (None); `authority` is the new one, "" for the client's own.
    `caller` is who handed it on, None for the sender; `unknown`: that one's certificate is not looked at;
    `tokenless`: nor are tokens.
    """

    reads: Paths = Paths.MERGED
    cut: str = ""
    put: str = ""
    fixed: str = ""
    pattern: str = ""
    substitution: str = ""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    authority: str = ""
    caller: Caller | None = None
    unknown: bool = False
    tokenless: bool = False

    @property
    def view(self) -> View:
        """The same of the path, for automata."""
        return View(
            cut=self.cut,
            put=self.put,
            decode=self.reads.include(Paths.DECODED),
            merge=self.reads.include(Paths.MERGED),
        )

    def fixes(self, header: str) -> bool:
        """Whether the header is the same whatever the client sent."""
        return header in self.headers

    def of(self, request: Request) -> Request:
        """The request as it is seen there."""
        kept = tuple(h for h in request.headers if h[0] not in self.headers)
        given = tuple((name, text) for name, text in self.headers.items() if text is not None)
        seen = replace(
            request,
            path=self._path(request.path),
            headers=kept + given,
            authority=self.authority or request.authority,
        )
        if self.caller:
            peer, client = self.caller.identity, request.client or request.source
            seen = replace(seen, peer=peer, source=self.caller.address, client=client)
        if self.unknown:
            seen = replace(seen, peer="")
        if self.tokenless:
            seen = replace(seen, claims=None)
        return as_read(seen, self.reads)

    def _path(self, path: str) -> str:
        if self.pattern:
            return replaced(self.pattern, self.substitution, path)
        if self.fixed:
            return self.fixed + path[path.find("?") :] if "?" in path else self.fixed
        if self.cut and path.startswith(self.cut):
            return self.put + path[len(self.cut) :]
        return path
