"""Collect what conditions look at, and make the space of requests in which none of them is overlooked.

In: RequestMatch, Authorization, as seen at a Hop.    Out: Space.
Before: ir/, symbolic/hops.py                         After: symbolic/judging.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lateen.explain.request import Way
from lateen.explain.symbolic.automata import AS_IT_IS, View
from lateen.explain.symbolic.callers import Caller
from lateen.explain.symbolic.diagrams import Diagrams
from lateen.explain.symbolic.hops import Hop
from lateen.explain.symbolic.regexes import Node, NotRegular, parse
from lateen.explain.symbolic.regexes import Sequence as InOrder
from lateen.explain.symbolic.space import (
    CALLER,
    HOST,
    METHOD,
    PATH,
    SNI,
    TOKEN,
    Bad,
    Key,
    Space,
    Token,
    Value,
)
from lateen.explain.symbolic.texts import Seen, TooMany, classes, node_of
from lateen.ir.match import Exact, Present, Regex, RequestMatch, StringMatch, Suffix
from lateen.ir.policy import (
    Authorization,
    ClaimCondition,
    Condition,
    HeaderCondition,
    Paths,
    SubjectCondition,
    TextCondition,
    Trait,
)

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_VISIBLE = "".join(map(chr, range(33, 127)))
_IN_PATHS = f"{_LETTERS}/-._~!$&'()*+,;=:@"
_SEGMENT = r"(?:[^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+)"  # other than `.` and `..`
_ONE_SLASH = parse(rf"/|//|(?:/{_SEGMENT})+/?")  # nothing but slashes becomes two
_ANY_SLASHES = parse(rf"(?:/{_SEGMENT}|/)+")
_AS_SENT = parse("/.*")
_METHOD = [(parse("[A-Z]+"), AS_IT_IS)]
_VALUE = [(parse("[!-~](?:[ -~]*[!-~])?|"), AS_IT_IS)]
_QUERY = [(parse("[^&#?= ]*"), AS_IT_IS)]
_PORT = parse("(?::[0-9]+)?")
_NAME = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
ANY_HOST = parse(rf"(?:{_NAME}\.)*{_NAME}")
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
_ONE_TEXT = (("iss",), ("sub",))  # claims that are never lists
_ESCAPE = re.compile(r"%[0-9A-F]{2}")


@dataclass(slots=True)
class Wants:
    """What was asked of each part of a request so far. `reads`: how the path is read where it arrives first."""

    reads: Paths = Paths.MERGED
    texts: dict[Key, dict[Seen, None]] = field(default_factory=dict)
    words: dict[Key, dict[StringMatch, None]] = field(default_factory=dict)
    escapes: set[str] = field(default_factory=set)
    doubts: dict[str, None] = field(default_factory=dict)
    tokens: dict[str, None] = field(default_factory=dict)  # issuers whose tokens are accepted
    bad: Bad = field(default_factory=Bad)

    @property
    def asks_for_hosts(self) -> bool:
        """Whether any condition looks at the authority."""
        return HOST in self.texts

    def text(
        self, key: Key, match: StringMatch, view: View = AS_IT_IS, *, fold: bool = False
    ) -> None:
        """A condition on one text."""
        self.words.setdefault(key, {})[match] = None
        try:
            node = node_of(match, fold=fold and not isinstance(match, Regex))
        except NotRegular as reason:
            of = match.text if isinstance(match, Regex) else str(match)
            self.doubts[f"the expression {of} has {reason}"] = None
            return
        self.node(key, node, view)

    def node(self, key: Key, node: Node, view: View = AS_IT_IS) -> None:
        """A condition on one text, as a tree."""
        self.texts.setdefault(key, {})[node, view] = None

    def route(self, match: RequestMatch, hop: Hop) -> None:
        """All conditions of a route."""
        if match.path is not None:
            self.path(match.path, hop, fold=match.ignore_case)
        for key, text in ((METHOD, match.method), (HOST, match.authority)):
            if text is not None:
                self.text(key, text)
        for header in match.headers:
            self._header(header.name, (header.match,), hop)
            if header.invert:
                self.text(("header", header.name), Exact(""))
        for query in match.queries:
            self.text(("query", query.name), query.match)
        for claim in match.claims:
            self._claim(claim.claim, (claim.match,))

    def authorization(self, authorization: Authorization, hop: Hop) -> None:
        """All conditions of a workload's policies, and whose tokens it takes."""
        self.takes(authorization)
        for policy in authorization.policies:
            for clause in policy.clauses:
                for condition in clause.conditions:
                    self._condition(condition, hop)

    def takes(self, authorization: Authorization) -> None:
        """Whose tokens are taken."""
        for rule in authorization.tokens:
            self.tokens[rule.issuer] = None
            for header, _ in rule.claim_headers:
                if ("header", header) in self.texts:
                    self.doubts[f"the header {header} is made of a claim"] = None
        if authorization.tokens and authorization.tokens[0].headers:
            first = authorization.tokens[0].headers[0]
            self.bad = Bad(header=first.name, prefix=first.prefix)

    def _condition(self, condition: Condition, hop: Hop) -> None:
        match condition:
            case HeaderCondition():
                self._header(condition.header, condition.any_of + condition.none_of, hop)
            case ClaimCondition():
                self._claim(condition.claim, condition.any_of + condition.none_of)
            case SubjectCondition():
                for each in condition.any_of + condition.none_of:
                    self._claim(("iss",), (each.issuer,))
                    self._claim(("sub",), (each.subject,))
            case TextCondition():
                for text in condition.any_of + condition.none_of:
                    self._trait(condition.trait, text, hop)

    def _trait(self, trait: Trait, match: StringMatch, hop: Hop) -> None:
        match trait:
            case Trait.PATH:
                self.path(match, hop)
            case Trait.METHOD:
                self.text(METHOD, match)
                self.text(METHOD, match, fold=True)
            case Trait.SNI:
                self.text(SNI, match, fold=True)
            case Trait.HOST if not hop.authority:
                self.text(HOST, match, fold=True)
                if not isinstance(match, Regex):
                    self.node(HOST, InOrder((node_of(match, fold=True), _PORT)))

    def path(self, match: StringMatch, hop: Hop, *, fold: bool = False) -> None:
        """A condition on the path."""
        if hop.fixed:
            return
        if hop.pattern:
            self.doubts[f"paths are rewritten by the expression {hop.pattern}"] = None
        if not isinstance(match, Present):
            self.escapes.update(_ESCAPE.findall(match.text))
        self.text(PATH, match, hop.view, fold=fold)

    def _header(self, name: str, matches: Iterable[StringMatch], hop: Hop) -> None:
        for match in matches:
            if not hop.fixes(name):
                self.text(("header", name), match)

    def _claim(self, way: tuple[str, ...], matches: Iterable[StringMatch]) -> None:
        for match in matches:
            self.text(("text claim", *way) if way in _ONE_TEXT else ("claim", *way), match)

    def space(
        self,
        *,
        way: Way,
        port: int,
        address: str = "",
        tls: bool = False,
        callers: Sequence[Caller] = (),
        hosts: Sequence[str] | Node = ("localhost",),
        further: Iterable[Paths] = (),
        server_name: str = "",
    ) -> Space:
        """The space of all requests to an address. `further`: how paths are read later on the way.

        `hosts` are the only ones, or what they all look like. `server_name`: the domain of the names in TLS.
        """
        if server_name not in ("", "*") and SNI in self.texts:
            whole = not server_name.startswith("*")
            self.text(SNI, Exact(server_name) if whole else Suffix(server_name[1:]), fold=True)
        variables: list[tuple[Key, tuple[Value, ...]]] = []
        if callers:
            variables.append((CALLER, tuple(callers)))
        if self.tokens:
            variables.append((TOKEN, self._tokens()))
        variables.append((METHOD, self._classes(METHOD, _METHOD, _LETTERS, _METHODS)))
        variables.append((HOST, self._hosts(hosts)))
        variables.append((PATH, self._paths((self.reads, *further))))
        for key in sorted(self.texts):
            if key[0] == "header":
                variables.append((key, (None, *self._classes(key, _VALUE, _VISIBLE + " ", ("x",)))))
            elif key[0] == "query":
                variables.append((key, (None, *self._classes(key, _QUERY, _IN_PATHS, ("x",)))))
            elif key == SNI:
                variables.append(
                    (key, ("", *self._classes(key, [(ANY_HOST, AS_IT_IS)], _LETTERS + "-.")))
                )
            elif self.tokens and key[0] == "text claim" and key[1:] != ("iss",):
                variables.append((key, (None, *self._classes(key, _VALUE, _VISIBLE))))
            elif self.tokens and key[0] == "claim":
                texts = self._classes(key, _VALUE, _VISIBLE, ("x",))
                variables.extend(((*key, text), (False, True)) for text in texts if text)
        values = tuple(of for _, of in variables)
        return Space(
            way=way,
            port=port,
            address=address,
            tls=tls,
            keys=tuple(key for key, _ in variables),
            values=values,
            asked={key: tuple(of) for key, of in self.words.items()},
            doubts=tuple(self.doubts),
            bad=self.bad,
            server_name=server_name,
            diagrams=Diagrams([len(of) for of in values]),
        )

    def _tokens(self) -> tuple[Value, ...]:
        issuers: list[str] = []
        for issuer in self.tokens:
            issuers += (
                [issuer] if issuer else self._classes(("text claim", "iss"), _VALUE, _VISIBLE)
            )
        valid = (Token(issuer=issuer) for issuer in dict.fromkeys(issuers))
        return (None, *valid, Token(issuer=None))

    def _hosts(self, hosts: Sequence[str] | Node) -> tuple[str, ...]:
        asked = self.texts.get(HOST, {})
        if not isinstance(hosts, Sequence):
            there = [(InOrder((hosts, _PORT)), AS_IT_IS)]
            return self._classes(HOST, there, "abcdefghijklmnopqrstuvwxyz0123456789-.:")
        if asked:
            return tuple(h for host in hosts for h in (host, f"{host}:8080"))
        return tuple(hosts)

    def _paths(self, reads: Sequence[Paths]) -> tuple[str, ...]:
        least = min(reads, key=tuple(Paths).index)
        one = _ONE_SLASH if least.include(Paths.MERGED) else _ANY_SLASHES
        there: list[Seen] = [(one if least.include(Paths.RESOLVED) else _AS_SENT, AS_IT_IS)]
        escapes = set(self.escapes) - {"%2F", "%5C"}
        decoded = [each.include(Paths.DECODED) for each in reads]
        if any(decoded) and not all(decoded):
            escapes.add("%2F")
            there.append((_ANY_SLASHES, View(decode=True)))
        return self._classes(PATH, there, _IN_PATHS, ("/",), escapes)

    def _classes(
        self,
        key: Key,
        there: Sequence[Seen],
        symbols: str,
        nicer: Iterable[str] = (),
        escapes: Iterable[str] = (),
    ) -> tuple[str, ...]:
        asked = self.texts.get(key, {})
        try:
            return classes(there, asked, symbols, sorted(escapes), nicer)
        except TooMany:
            self.doubts[f"the conditions on the {' '.join(key)} are too many together"] = None
        alone = [classes(there, [each], symbols, sorted(escapes), nicer) for each in asked]
        return tuple(dict.fromkeys(text for some in alone for text in some))
