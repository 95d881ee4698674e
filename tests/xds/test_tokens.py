"""A token proves one node id, to every control plane that has the key."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lateen.base.errors import EnvironmentFault
from lateen.xds.tokens import TokenKey

KEY = TokenKey(b"k" * 32)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=80)


@given(_TEXT)
def test_a_token_names_its_node(node_id: str) -> None:
    token = KEY.mint(node_id)
    assert KEY.node_of(token) == node_id
    assert token.isascii()
    assert " " not in token
    assert TokenKey(b"x" * 32).node_of(token) is None


@given(st.text(max_size=80))
def test_any_text_can_be_tried(text: str) -> None:
    assert KEY.node_of(text) is None


@given(st.data())
def test_no_character_of_a_token_can_be_changed(data: st.DataObject) -> None:
    token = KEY.mint("sidecar~shop~web-1")
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda c: c != token[at]))
    assert KEY.node_of(token[:at] + other + token[at + 1 :]) is None


def test_a_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "token.key"
    before = os.umask(0)
    try:
        first = TokenKey.open(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    assert [p.name for p in tmp_path.iterdir()] == ["token.key"]
    assert TokenKey.open(path).node_of(first.mint("web")) == "web"


def test_a_key_file_others_can_read_or_of_wrong_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token.key"
    TokenKey.open(path)
    path.chmod(0o640)
    with pytest.raises(EnvironmentFault, match="can be read by others"):
        TokenKey.open(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(EnvironmentFault, match="32 bytes"):
        TokenKey.open(path)
