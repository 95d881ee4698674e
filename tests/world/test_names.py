"""What the mesh's DNS answers, and where service addresses lead."""

from __future__ import annotations

from lateen.world.addresses import allocate
from lateen.world.names import AddressRecord, NameRecord, names, service_addresses
from tests.translate.cases import world_in

SHOP = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 198.19.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: tcp, port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: docs, namespace: shop}
spec: {type: ExternalName, externalName: docs.example.com}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: out, namespace: shop}
spec:
  hosts: [api.example.com, "*.wild.example.com"]
  resolution: DNS
  ports: [{number: 443, name: tls, protocol: TLS}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: dialled, namespace: shop}
spec: {hosts: [dialled.example.com], ports: [{number: 443, name: tls, protocol: TLS}]}
---
pods:
  shop:
    web-1: {ip: 198.18.0.1, labels: {app: web}}
    web-2: {ip: 198.18.0.2, labels: {app: web}, ready: false}
    db-0: {ip: 198.18.0.3, labels: {app: db}, hostname: db-0, subdomain: db}
    db-1: {ip: 198.18.0.4, labels: {app: db}, hostname: db-1, subdomain: other}
"""


def test_every_kind_of_service_has_its_name() -> None:
    own = allocate(["api.example.com"])["api.example.com"]
    assert names(world_in(SHOP)) == (
        NameRecord(name="api.example.com", addresses=(own,)),
        NameRecord(name="db-0.db.shop.svc.cluster.local", addresses=("198.18.0.3",)),
        NameRecord(name="db.shop.svc.cluster.local", addresses=("198.18.0.3", "198.18.0.4")),
        NameRecord(name="docs.shop.svc.cluster.local", cname="docs.example.com"),
        NameRecord(name="web.shop.svc.cluster.local", addresses=("198.19.0.1",)),
    )


def test_a_service_address_leads_to_ready_endpoints() -> None:
    assert service_addresses(world_in(SHOP)) == (
        AddressRecord(address="198.19.0.1", port=80, endpoints=(("198.18.0.1", 8080),)),
    )


def test_addresses_are_distinct_and_stay_when_younger_hosts_come() -> None:
    hosts = [f"host-{n}.example.com" for n in range(2000)]
    some, more = allocate(hosts[:1000]), allocate(hosts)
    assert all(more[host] == some[host] for host in some)
    assert len(set(more.values())) == 2000
    assert all(a.startswith("240.240.") and not a.endswith((".0", ".255")) for a in more.values())


def test_more_hosts_than_addresses_leave_the_last_without() -> None:
    found = allocate(f"h{n}" for n in range(65_100))
    assert len(found) == 65_024
