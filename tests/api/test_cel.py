"""Kubernetes' additions to CEL."""

from __future__ import annotations

import pytest

from lateen.api.cel import BadRule, rule_of

TRUE = [
    "[1, 2, 2].isSorted() && !['b', 'a'].isSorted()",
    "[1, 2].sum() == 3 && [].sum() == 0 && [1.5, 2.0].sum() == 3.5",
    "['b', 'a'].min() == 'a' && [3, 1].max() == 3",
    "['a', 'b', 'a'].indexOf('a') == 0 && ['a', 'b', 'a'].lastIndexOf('a') == 2",
    "[1].indexOf(2) == -1 && 'tacocat'.indexOf('c') == 2 && 'tacocat'.lastIndexOf('t') == 6",
    "sets.contains([1, 2], [2]) && !sets.contains([1], [2]) && sets.intersects([1, 2], [2, 3])",
    "sets.equivalent([1, 2], [2, 1, 1])",
    "isQuantity('1.5Gi') && !isQuantity('1.5GG')",
    "quantity('1k') == quantity('1000') && quantity('1Ki') != quantity('1k')",
    "quantity('500m').isLessThan(quantity('1')) && quantity('1').compareTo(quantity('1')) == 0",
    "quantity('1').add(quantity('500m')) == quantity('1500m') && quantity('3').sub(1).asInteger() == 2",
    "quantity('-1').sign() == -1 && !quantity('1.5').isInteger()",
    "quantity('1.5').asApproximateFloat() == 1.5",
    "isIP('::1') && !isIP('127.0.0') && !isIP('fe80::1%eth0')",
    "ip('10.0.0.1').family() == 4 && ip('::1').isLoopback() && ip('10.0.0.1').isGlobalUnicast()",
    "ip('0.0.0.0').isUnspecified() && ip('224.0.0.1').isLinkLocalMulticast()",
    "ip('169.254.1.1').isLinkLocalUnicast() && ip.isCanonical('::1') && !ip.isCanonical('0:0::1')",
    "string(ip('2001:DB8::1')) == '2001:db8::1' && ip('::1') == ip('0:0::1')",
    "isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0')",
    "cidr('10.0.0.0/8').containsIP('10.2.3.4') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
    "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.1.0.0/16').containsCIDR('10.0.0.0/8')",
    "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && cidr('10.1.2.3/8').prefixLength() == 8",
    "string(cidr('10.1.2.3/8').ip()) == '10.1.2.3' && string(cidr('::/0')) == '::/0'",
    "isURL('https://example.com:80/') && !isURL('../relative')",
    "url('https://u@example.com:80/a b?k=1&k=2').getHost() == 'example.com:80'",
    "url('https://[::1]:80/').getHostname() == '::1' && url('https://x/').getPort() == ''",
    "url('https://x/a b?k=1&k=2').getEscapedPath() == '/a%20b'",
    "url('https://x/?k=1&k=2').getQuery()['k'] == ['1', '2'] && url('/p').getScheme() == ''",
    "!format.dns1123Label().validate('web-1').hasValue()",
    "format.dns1123Label().validate('Web').value()[0].contains('RFC 1123')",
    "format.named('uuid').hasValue() && !format.named('nonsense').hasValue()",
    "format.named('date').value().validate('2026-13-01').hasValue()",
    "!format.dns1035LabelPrefix().validate('a-').hasValue() && format.byte().validate('%').hasValue()",
    "semver('1.2.3').isGreaterThan(semver('1.2.3-rc.10')) && semver('1.0.0-2').isLessThan(semver('1.0.0-10'))",
    "semver('1.2.3').major() == 1 && semver('1.2.3').patch() == 3 && !isSemver('1.2')",
    "'%s is %d'.format(['x', 1]) == 'x is 1' && 'aBc'.lowerAscii() == 'abc' && math.greatest(1, 2) == 2",
    "self.?missing.orValue(3) == 3 && !self.?missing.hasValue() && self.?there.value() == 1",
    "cel.bind(x, 2, x * x) == 4",
]


@pytest.mark.parametrize("text", TRUE)
def test_true_there_and_here(text: str) -> None:
    assert rule_of(text).value({"self": {"there": 1}}) is True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("quantity('1 apple')", "quantities must match the regular expression"),
        ("ip('1.2.3')", 'IP Address "1.2.3" parse error during conversion from string'),
        ("ip('::ffff:1.2.3.4')", "IPv4-mapped IPv6 address"),
        ("cidr('1.2.3.4')", "network address parse error"),
        ("quantity('1').family()", "no such overload"),
        ("quantity('1.5').asInteger()", "cannot convert value to integer"),
        ("[].max()", "min and max of an empty list are not defined"),
        ("format.uuid().validate('6ba7b810-9dad-11d1-80b4-00c04fd430c8').value()", "optional.none"),
    ],
)
def test_what_cannot_be_said_fails_with_its_reason(text: str, words: str) -> None:
    with pytest.raises(BadRule, match=words.replace("(", r"\(")):
        rule_of(text).value({})


def test_an_unknown_name_is_no_expression() -> None:
    with pytest.raises(BadRule, match=r"undeclared reference to 'object\.spec'"):
        rule_of("object.spec")
    assert rule_of("object.spec", ("object",)).value({"object": {"spec": 1}}) == 1
