"""Who a peer is, as its certificate's subject says.

In: a subject's text.    Out: labels.
Before: ca/subject.py        After: app/measuring.py, app/observedmetrics.py
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import asdict

from lateen.ca.subject import subject_of


def peer_of(text: str) -> Mapping[str, str]:
    """Workload, namespace and the like; nothing if it is not a pod's."""
    subject = subject_of(text)
    return asdict(subject) if subject else {}
