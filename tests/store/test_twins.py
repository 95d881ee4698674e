"""The file and the memory store give the same answers to any sequence of calls, restarts included."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lateen.base.clock import FakeClock
from lateen.base.errors import LateenError
from lateen.base.origin import ObjectKey
from lateen.store.core import ObjectStore
from lateen.store.memory import MemoryStore
from lateen.store.sqlite import SqliteStore
from tests.store.trees import counted_uids, service

NAMES = st.sampled_from(["a", "b", "c"])
SPACES = st.sampled_from(["one", "two"])
PORTS = st.integers(1, 3)
EXPECT = st.one_of(st.none(), st.integers(0, 12))


class Undone(Exception):
    """The end of a transaction that is not to be."""


class Twins(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store.db"
        self.uids = counted_uids()
        self.clock = FakeClock()
        self.memory = MemoryStore(clock=self.clock, make_uid=counted_uids(), history=6)
        self.file = self.opened()
        self.highest = 0

    def opened(self) -> SqliteStore:
        return SqliteStore.open(self.path, clock=self.clock, make_uid=self.uids, history=6)

    def both(self, call: Callable[[ObjectStore], Any]) -> None:
        assert outcome(self.memory, call) == outcome(self.file, call)

    @rule(name=NAMES, space=SPACES, port=PORTS, expect=EXPECT, source=st.sampled_from(["", "api"]))
    def put(self, name: str, space: str, port: int, expect: int | None, source: str) -> None:
        tree = service(name, port, space)
        self.both(lambda s: s.put(tree, expect=expect, source=source))

    @rule(name=NAMES, space=SPACES, port=PORTS)
    def put_status(self, name: str, space: str, port: int) -> None:
        self.both(lambda s: s.put_status(key(name, space), {"port": port}))

    @rule(name=NAMES, space=SPACES, expect=EXPECT)
    def delete(self, name: str, space: str, expect: int | None) -> None:
        self.both(lambda s: s.delete(key(name, space), expect=expect))

    @rule(names=st.lists(NAMES, max_size=3), port=PORTS, undo=st.booleans())
    def transaction(self, names: list[str], port: int, undo: bool) -> None:
        def call(store: ObjectStore) -> None:
            with store.transaction():
                for name in names:
                    store.put(service(name, port, "one"))
                    store.write_note(name, str(port).encode())
                if undo:
                    raise Undone

        self.both(call)

    @rule()
    @precondition(lambda self: self.memory.revision > 0)
    def restart(self) -> None:
        self.file.close()
        self.file = self.opened()

    @invariant()
    def agree(self) -> None:
        self.both(lambda s: s.revision)
        self.both(lambda s: s.list())
        self.both(lambda s: s.list(kind="Service", namespace="one"))
        self.both(lambda s: [s.source_of(o.key) for o in s.list()])
        self.both(lambda s: [s.read_note(name) for name in "abc"])
        assert self.file.revision >= self.highest
        self.highest = self.file.revision

    def teardown(self) -> None:
        self.file.close()
        self.folder.cleanup()


def key(name: str, space: str) -> ObjectKey:
    return ObjectKey(group="", kind="Service", namespace=space, name=name)


def outcome(store: ObjectStore, call: Callable[[ObjectStore], Any]) -> Any:
    """What a call gives: its value, or the kind of its refusal."""
    try:
        return call(store)
    except (LateenError, Undone) as refusal:
        return type(refusal)


TestTwins = Twins.TestCase
TestTwins.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
