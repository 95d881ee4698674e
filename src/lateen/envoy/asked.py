"""Reach hosts of a wildcard by the name that is asked for: the proxy looks it up, and dials what it finds.

In: -    Out: a cluster's type, an HTTP filter's and a network filter's config.
Before: -       After: clusters.py, listeners_out.py, filters/asked.py

As Istio has it for `DYNAMIC_DNS`: HTTP goes by the request's host (and its port, else 80, or 443 with
TLS), TLS by its server name. The sandbox's own resolver is asked.
"""

from __future__ import annotations

from lateen.envoy.pb.envoy.config.cluster.v3.cluster_pb2 import Cluster
from lateen.envoy.pb.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from lateen.envoy.pb.envoy.config.listener.v3.listener_components_pb2 import Filter
from lateen.envoy.pb.envoy.extensions.clusters.dynamic_forward_proxy.v3.cluster_pb2 import (
    ClusterConfig,
)
from lateen.envoy.pb.envoy.extensions.common.dynamic_forward_proxy.v3.dns_cache_pb2 import (
    DnsCacheConfig,
)
from lateen.envoy.pb.envoy.extensions.filters.http.dynamic_forward_proxy.v3 import (
    dynamic_forward_proxy_pb2,
)
from lateen.envoy.pb.envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3 import (
    sni_dynamic_forward_proxy_pb2,
)
from lateen.envoy.pb.envoy.extensions.network.dns_resolver.cares.v3 import (
    cares_dns_resolver_pb2,
)
from lateen.envoy.wire import packed, socket_address, u32

_RESOLVER = ("198.18.0.1", 53)
_MOST_HOSTS = 1024


def _dns() -> DnsCacheConfig:
    """The one cache that the cluster and both filters share, by its name."""
    resolver = cares_dns_resolver_pb2.CaresDnsResolverConfig(resolvers=[socket_address(*_RESOLVER)])
    resolver.dns_resolver_options.no_default_search_domain = True
    return DnsCacheConfig(
        name="asked",
        dns_lookup_family=Cluster.V4_ONLY,
        typed_dns_resolver_config=TypedExtensionConfig(
            name="envoy.network.dns_resolver.cares", typed_config=packed(resolver)
        ),
        max_hosts=u32(_MOST_HOSTS),
    )


def asked_cluster_type() -> Cluster.CustomClusterType:
    """Endpoints are found by name. "Insecure" is Envoy's word for no TLS, or none verified."""
    config = ClusterConfig(dns_cache_config=_dns(), allow_insecure_cluster_options=True)
    return Cluster.CustomClusterType(
        name="envoy.clusters.dynamic_forward_proxy", typed_config=packed(config)
    )


def asked_http() -> dynamic_forward_proxy_pb2.FilterConfig:
    """Look up a request's host before it is sent on; what goes to other clusters passes."""
    return dynamic_forward_proxy_pb2.FilterConfig(dns_cache_config=_dns())


def asked_sni(port: int) -> Filter:
    """Look up a connection's server name, to be dialled at a port."""
    config = sni_dynamic_forward_proxy_pb2.FilterConfig(dns_cache_config=_dns(), port_value=port)
    return Filter(
        name="envoy.filters.network.sni_dynamic_forward_proxy", typed_config=packed(config)
    )
