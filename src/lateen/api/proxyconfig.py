"""How the proxies of a namespace, or of some of its pods, are started: Istio's ProxyConfig.

In: -    Out: ProxyConfig.    Source: networking.istio.io ProxyConfig.
Before: api/meta.py           After: check/proxyconfig.py, translate/proxyconfigs.py
"""

from __future__ import annotations

from lateen.api.fields import Api, Informative, Labels
from lateen.api.meta import ObjectMeta


class ProxyImage(Api, frozen=True, kw_only=True):
    """The kind of image: of no effect, since lateen's Envoy is in no image."""

    image_type: str = ""


class ProxySelector(Api, frozen=True, kw_only=True):
    """Pods of the object's namespace that carry these labels."""

    match_labels: Labels = {}


class ProxyConfigSpec(Api, frozen=True, kw_only=True):
    """For the pods selected, else for the namespace; in the root namespace, for all."""

    selector: ProxySelector | None = None
    concurrency: int | None = None
    environment_variables: dict[str, str] = {}
    image: ProxyImage | None = None


class ProxyConfig(Api, frozen=True, kw_only=True):
    """networking.istio.io ProxyConfig."""

    api_version: str = "networking.istio.io/v1beta1"
    kind: str = "ProxyConfig"
    metadata: ObjectMeta
    spec: ProxyConfigSpec = ProxyConfigSpec()
    status: Informative = None
