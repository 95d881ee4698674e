"""Envoy's words, as version 1.40 says them."""

from __future__ import annotations

import pytest

from lateen.xds.refusal import clean, refused_among

NAMES = ("bad", "bad2", "good", "80", "outbound|80||web.shop.svc.cluster.local")


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        (
            "Error adding/updating listener(s) bad: missing ): ((\nbad2: no filter\n",
            {"bad", "bad2"},
        ),
        ("Error adding/updating cluster(s) bad: no prime, bad2: no size", {"bad", "bad2"}),
        ("Error adding/updating listener(s) bad2: good: is not bad: at all\n", {"bad2"}),
        (
            "Error adding/updating cluster(s) outbound|80||web.shop.svc.cluster.local: no",
            {"outbound|80||web.shop.svc.cluster.local"},
        ),
        ("route: unknown cluster 'good'", set()),
        ("bad: only a prefix helps", set()),
        ("", set()),
    ],
)
def test_the_refused_are_those_named_as_such(message: str, refused: set[str]) -> None:
    assert refused_among(message, NAMES) == refused


def test_the_random_mark_is_taken_out() -> None:
    raw = "Invalid duration: Expected positive duration: goo.gle/debugproto   \nseconds: -1\n"
    assert clean(raw) == "Invalid duration: Expected positive duration:\nseconds: -1"
    assert clean("goo.gle/debugstr \t no") == clean("goo.gle/debugonly no") == "no"


def test_a_long_dump_is_cut() -> None:
    assert len(clean("x" * 10_000)) == 2000


def test_the_dump_before_a_reason_is_left_out() -> None:
    raw = """Error adding/updating cluster(s) a|b:
goo.gle/debugproto   common_tls_context {
  validation_context {
    trusted_ca {
      filename: "/etc/ssl/cert.pem"
    }
  }
}
sni: "xyz"
: Proto constraint validation failed (Sni: value length must be at most 255 bytes)"""
    assert clean(raw) == (
        "Error adding/updating cluster(s) a|b: "
        "Proto constraint validation failed (Sni: value length must be at most 255 bytes)"
    )
