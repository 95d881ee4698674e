"""Every code a problem can have: its name, how bad it is, and what it says.

In: a code.                               Out: Entry; the page that tells how to mend it.
Before: api/codes.py                      After: cli/reports.py, cli/sarif.py, docs/problems/ (checked by a test)
"""

from __future__ import annotations

from collections.abc import Mapping

from lateen.check.catalogue.entry import Entry, Found
from lateen.check.catalogue.istio import ISTIO
from lateen.check.catalogue.own import OWN

PAGES = "docs/problems"
ENTRIES: Mapping[str, Entry] = {entry.code: entry for entry in (*ISTIO, *OWN)}

__all__ = ["ENTRIES", "PAGES", "Entry", "Found", "entry_of", "page_of"]


def entry_of(code: str) -> Entry:
    """What is known of a code; raises KeyError for one that is in no catalogue."""
    return ENTRIES[code]


def page_of(code: str) -> str:
    """Where the code's page stands, from the root of lateen's repository."""
    return f"{PAGES}/{code}.md"
