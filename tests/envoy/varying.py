"""Made-up variations of a case's requests, of the words that its plan goes by; and what the real Envoy owes.

In: ProxyPlan, a request of the case.      Out: requests; whether an answer is what the walkers say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from hypothesis import strategies as st

from lateen.explain.request import (
    Answered,
    Denied,
    Forwarded,
    Lost,
    Outcome,
    Redirected,
    Unverified,
)
from lateen.ir.backends import MeshMtls, OriginateTls
from lateen.ir.match import Exact, Prefix, Regex, RequestMatch, StringMatch, Suffix
from lateen.ir.plan import ProxyPlan
from lateen.ir.policy import HeaderCondition, TextCondition, Trait
from tests.envoy.traffic import Asked, Seen

_STEERING = ("x-envoy", "x-fail", "x-forwarded", "host", ":")  # what does something of its own
_ENDS = ("", "/", "x", "/x", "/../x", "//x", "?q=1", "?x=1&q=2", "%2Fx")
_SAMPLES = {".*": "any", "[0-9]+": "42", "[a-z]+": "abc"}


def _texts(match: StringMatch | None) -> Iterator[str]:
    match match:
        case Exact(text) | Prefix(text) | Suffix(text):
            yield text
            yield text.upper()
        case Regex(text):
            for pattern, sample in _SAMPLES.items():
                text = text.replace(pattern, sample)
            yield text.strip("^$").replace("\\", "")


def _matches(plan: ProxyPlan) -> Iterator[RequestMatch]:
    for table in plan.tables:
        for host in table.hosts:
            yield from (route.match for route in host.routes)


def _conditions(plan: ProxyPlan) -> Iterator[TextCondition | HeaderCondition]:
    authorization = plan.inbound.authorization if plan.inbound else plan.authorization
    for policy in authorization.policies:
        for clause in policy.clauses:
            for each in clause.conditions:
                if isinstance(each, TextCondition | HeaderCondition):
                    yield each


def _written(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text and '"' not in text


def paths_of(plan: ProxyPlan) -> list[str]:
    """The paths that some rule or policy goes by, and some that none does."""
    found = [text for match in _matches(plan) for text in _texts(match.path)]
    for each in _conditions(plan):
        if isinstance(each, TextCondition) and each.trait is Trait.PATH:
            found += [text for match in (*each.any_of, *each.none_of) for text in _texts(match)]
    kept = [text if text.startswith("/") else f"/{text}" for text in found if _written(text)]
    return sorted({"/", "/other", *kept})


def headers_of(plan: ProxyPlan) -> dict[str, list[str]]:
    """The headers that some rule or policy goes by, with values it knows and one it does not."""
    found: dict[str, set[str]] = {}
    for match in _matches(plan):
        for header in match.headers:
            found.setdefault(header.name, {"other"}).update(_texts(header.match))
    for each in _conditions(plan):
        if isinstance(each, HeaderCondition):
            texts = (t for match in (*each.any_of, *each.none_of) for t in _texts(match))
            found.setdefault(each.header, {"other"}).update(texts)
    return {
        name: sorted(filter(_written, values))
        for name, values in sorted(found.items())
        if not name.startswith(_STEERING)
    }


def queries_of(plan: ProxyPlan) -> list[str]:
    """Queries that some rule goes by."""
    found = {
        f"?{query.name}={text}"
        for match in _matches(plan)
        for query in match.queries
        for text in (*_texts(query.match), "other")
    }
    return sorted(filter(_written, found))


def hosts_of(plan: ProxyPlan, asked: Asked) -> list[str]:
    """Other names that the request may ask for; behind TLS the name is the server's, too, and stays."""
    if asked.scheme != "http" or asked.inbound:
        return [asked.authority]
    domains = {
        domain.replace("*", "x").lstrip(".")
        for table in plan.tables
        for host in table.hosts
        for domain in host.domains[:2]
    }
    return sorted({asked.authority, "nowhere.example.org", *(d for d in domains if _written(d))})


def variations(plan: ProxyPlan, asked: Asked) -> st.SearchStrategy[Asked]:
    """Requests by the same door, with another path, method, host or headers."""
    headers = [
        st.none() | st.sampled_from(values).map(lambda value, name=name: (name, value))  # type: ignore[misc]
        for name, values in headers_of(plan).items()
        if values
    ]
    paths = st.builds(
        lambda path, end: path + end,
        st.sampled_from(paths_of(plan)),
        st.sampled_from((*_ENDS, *queries_of(plan))),
    )
    return st.builds(
        lambda method, path, authority, pairs: replace(
            asked,
            method=method,
            path=path,
            authority=authority,
            headers=dict(pair for pair in pairs if pair),
            expected={k: v for k, v in asked.expected.items() if k == "client"},
        ),
        st.sampled_from(("GET", "POST", "PUT", "DELETE")),
        paths,
        st.sampled_from(hosts_of(plan, asked)),
        st.tuples(*headers),
    )


def is_quick(outcome: Outcome) -> bool:
    """Whether nothing holds the request up on purpose."""
    return not (isinstance(outcome, Forwarded) and outcome.delays)


def owed(plan: ProxyPlan, outcome: Outcome, seen: Seen, pods_of: Callable[[str], set[str]]) -> str:
    """What the real Envoy's answer has that the walkers did not say; "" if they agree."""
    match outcome:
        case Forwarded():
            return _owed_by_pods(plan, outcome, seen, pods_of)
        case Redirected():
            got = (seen.status, seen.headers.get("location"))
            return "" if got == (outcome.status, outcome.location) else f"redirect {got}"
        case Answered():
            return "" if (seen.status, seen.body) == (outcome.status, outcome.body) else "answer"
        case Denied():
            return "" if seen.status == 403 else f"status {seen.status}"
        case Unverified():
            return "" if seen.status in (401, 403) else f"status {seen.status}"
        case Lost():
            lost = seen.status == 404 if outcome.why.startswith("404") else seen.closed
            return "" if lost else f"status {seen.status}"
    raise AssertionError(outcome)


def _owed_by_pods(
    plan: ProxyPlan, outcome: Forwarded, seen: Seen, pods_of: Callable[[str], set[str]]
) -> str:
    clusters = [cluster for cluster, share in outcome.shares if share]
    pods = set().union(*map(pods_of, clusters))
    if seen.pod:
        told = (seen.headers.get("x-path"), seen.headers.get("x-host"))
        hosts = {outcome.authority, *outcome.authorities}
        fits = seen.pod in pods and told[0] == outcome.path and told[1] in hosts
        return "" if fits else f"{seen.pod} got {told}"
    if outcome.aborts and seen.status == outcome.aborts[1]:
        return ""
    failing = not all(map(pods_of, clusters)) or _may_be_refused(plan, clusters)
    return "" if failing and seen.status in (503, 504) else f"status {seen.status}, nobody answered"


def _may_be_refused(plan: ProxyPlan, clusters: list[str]) -> bool:
    """Whether the server's certificate, which no walker looks at, may be another's."""
    secured = {each.id.host for each in plan.backends if _looks_at_names(each.security)}
    return any(cluster.rpartition("|")[2] in secured for cluster in clusters)


def _looks_at_names(security: object) -> bool:
    return isinstance(security, OriginateTls | MeshMtls)
