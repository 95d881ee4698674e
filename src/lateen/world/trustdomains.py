"""Let a policy's principals mean the mesh's trust domain under each of its names.

In: AuthorizationPolicy, trust domains.    Out: AuthorizationPolicy.
Before: api/security.py                    After: world/build.py

Source: Istio's trust domain bundle. `cluster.local` stands for the mesh's own domain, whatever its name.
"""

from __future__ import annotations

from msgspec import structs

from lateen.api.security import AuthorizationPolicy, Condition, From, Source

_BY_PRINCIPAL = "source.principal"
_OWN = "cluster.local"


def in_all_domains(policy: AuthorizationPolicy, domains: tuple[str, ...]) -> AuthorizationPolicy:
    """The policy with every principal of the mesh under each of the names; the first is its own."""
    rules = tuple(
        structs.replace(
            rule,
            from_=tuple(_from(each, domains) for each in rule.from_),
            when=tuple(_condition(each, domains) for each in rule.when),
        )
        for rule in policy.spec.rules
    )
    return structs.replace(policy, spec=structs.replace(policy.spec, rules=rules))


def _from(written: From, domains: tuple[str, ...]) -> From:
    source: Source = written.source
    made = structs.replace(
        source,
        principals=_spread(source.principals, domains),
        not_principals=_spread(source.not_principals, domains),
    )
    return structs.replace(written, source=made)


def _condition(written: Condition, domains: tuple[str, ...]) -> Condition:
    if written.key != _BY_PRINCIPAL:
        return written
    return structs.replace(
        written,
        values=_spread(written.values, domains),
        not_values=_spread(written.not_values, domains),
    )


def _spread(principals: tuple[str, ...], domains: tuple[str, ...]) -> tuple[str, ...]:
    found = (name for each in principals for name in _names(each, domains))
    return tuple(dict.fromkeys(found))


def _names(principal: str, domains: tuple[str, ...]) -> list[str]:
    domain, _, rest = principal.partition("/")
    if rest.count("/") != 3 or domain == "*":
        return [principal]
    ours = [each for each in domains if _fits(domain, each)]
    if not ours and domain != _OWN:
        return [principal]
    return [principal if each in ours else f"{each}/{rest}" for each in domains]


def _fits(pattern: str, domain: str) -> bool:
    """`*x` stands for what ends so."""
    return domain.endswith(pattern[1:]) if pattern.startswith("*") else domain == pattern
