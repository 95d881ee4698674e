"""The observer's part for taps: requests at any pod, as they pass.

In: settings, the pods there are.    Out: Part.
Before: telemetry/taps/              After: app/observing.py
"""

from __future__ import annotations

from lateen.app.settings import Settings
from lateen.base import layout
from lateen.stages.informing import Informed
from lateen.stages.resolving import slot_of
from lateen.telemetry.parts import Part
from lateen.telemetry.taps.api import Tapped, routes
from lateen.telemetry.taps.seen import Place


def taps_part(*, settings: Settings, pods: Informed) -> Part:
    """`/tap`, at the admin sockets of the pods' proxies."""

    def tapped() -> dict[str, Tapped]:
        made: dict[str, Tapped] = {}
        for (namespace, name), pod in pods.known.items():
            address = str((pod.get("status") or {}).get("podIP") or "")
            admin = layout.admin_socket(settings.run_dir, slot_of(str(pod["metadata"]["uid"])))
            if address and admin.exists():
                place = Place(namespace=namespace, name=name)
                made[address] = Tapped(place=place, address=address, admin=admin)
        return made

    return Part(routes=routes(tapped))
