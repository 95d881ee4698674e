"""Why a request was refused, in lines."""

from __future__ import annotations

from lateen.cli.why import told

HOP = {
    "namespace": "shop",
    "pod": "web-1",
    "time": "2026-11-21T12:00:00.000Z",
    "id": "abc",
    "method": "GET",
    "path": "/a\x1b[31m",
    "authority": "web",
    "status": 403,
    "why": "refused by AuthorizationPolicy shop/no spec.rules[0], in.yaml:8 (DENY)",
    "marks": [
        {
            "namespace": "shop",
            "name": "note",
            "field": "spec.rules[0]",
            "place": "",
            "action": "AUDIT",
        }
    ],
}


def test_a_hop_is_who_asked_for_what_and_who_decided() -> None:
    assert list(told([HOP])) == [
        "2026-11-21T12:00:00.000Z  shop/web-1  GET web/a\ufffd[31m  403  abc",
        "    refused by AuthorizationPolicy shop/no spec.rules[0], in.yaml:8 (DENY)",
        "    noted by AuthorizationPolicy shop/note spec.rules[0] (AUDIT)",
    ]
