"""Plans that hold every member of every union of the IR, for the tests of this folder."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from lateen.base.origin import ObjectKey, Origin, Place
from lateen.ir.backends import (
    Backend,
    BackendId,
    Balance,
    Ejection,
    Endpoint,
    EndpointSet,
    InMesh,
    Keepalive,
    Limits,
    MeshMtls,
    OriginateTls,
    Outside,
    Plaintext,
    Remote,
    Security,
    Wire,
)
from lateen.ir.match import (
    ANY_REQUEST,
    Exact,
    HeaderMatch,
    Prefix,
    Present,
    QueryMatch,
    Regex,
    RequestMatch,
    Suffix,
)
from lateen.ir.plan import (
    GatewayHttp,
    GatewayPort,
    GatewayTls,
    HttpOut,
    Inbound,
    InboundPort,
    Mtls,
    Proxy,
    ProxyPlan,
    Role,
    SniffOut,
    SniOut,
    Speech,
    TcpOut,
    TlsSecret,
)
from lateen.ir.policy import (
    AddressCondition,
    Authorization,
    Clause,
    Condition,
    DestinationCondition,
    End,
    HeaderCondition,
    Identity,
    IdentityCondition,
    OnCaller,
    OnRequest,
    Policy,
    PortCondition,
    TextCondition,
    Trait,
    Verdict,
)
from lateen.ir.routes import (
    Action,
    Elsewhere,
    Fault,
    Forward,
    HeaderChanges,
    Redirect,
    Respond,
    Retries,
    Rewrite,
    Route,
    RouteTable,
    Split,
    VirtualHost,
)

IDENTITY = "spiffe://cluster.local/ns/shop/sa/web"


def origin(kind: str, name: str, field: str = "spec") -> Origin:
    key = ObjectKey(group="test", kind=kind, namespace="shop", name=name)
    return Origin(key=key, field=field, place=Place(file="in.yaml", line=14))


SERVICE = origin("Service", "reviews")
RULES = origin("VirtualService", "reviews", "spec.http[0]")
POLICY = origin("AuthorizationPolicy", "reviews", "spec.rules[0]")


def backend_id(host: str, port: int = 80, subset: str = "") -> BackendId:
    return BackendId(host=f"{host}.shop.svc.cluster.local", port=port, subset=subset)


V1, V2 = backend_id("reviews", subset="v1"), backend_id("reviews", subset="v2")
PLAIN, TCP, SNIFF = backend_id("plain"), backend_id("db", 5432), backend_id("any", 7000)
STRICT, H2, PASS = backend_id("strict"), backend_id("grpc"), backend_id("headless")
OUT_HTTP = BackendId(host="api.example.com", port=80)
OUT_TLS = BackendId(host="api.example.com", port=443)
OUT_AUTO = BackendId(host="auto.example.com", port=443)
OUT_TCP = BackendId(host="db.example.com", port=5432)

MESH = MeshMtls(identities=(IDENTITY,), sni="outbound_.80_._.reviews.shop.svc.cluster.local")
FULL_LIMITS = Limits(
    connect_timeout=1.5,
    max_connections=1,
    max_pending=2,
    max_requests=3,
    max_retries=4,
    max_requests_per_connection=5,
    max_concurrent_streams=6,
    idle_timeout=7.5,
    tcp_idle_timeout=8,
    max_connection_duration=9,
    keepalive=Keepalive(probes=3, idle=10, interval=5),
)


def ejection() -> Ejection:
    return Ejection(
        consecutive_5xx=3,
        consecutive_gateway=2,
        consecutive_local_origin=4,
        split_local_origin=True,
        min_health_percent=50,
        origin=origin("DestinationRule", "reviews", "spec.trafficPolicy"),
    )


def backend(
    id: BackendId,
    security: Security = MESH,
    wire: Wire = Wire.CLIENT,
    balance: Balance = Balance.LEAST_REQUEST,
    outside: str = "",
) -> Backend:
    return Backend(
        id=id,
        discovery=Outside((Remote(host=outside, port=id.port),)) if outside else InMesh(),
        wire=wire,
        security=security,
        balance=balance,
        origin=SERVICE,
    )


BACKENDS = (
    Backend(
        id=V1,
        discovery=InMesh(),
        wire=Wire.HTTP1,
        security=MESH,
        balance=Balance.ROUND_ROBIN,
        limits=FULL_LIMITS,
        ejection=ejection(),
        origin=SERVICE,
    ),
    backend(V2, balance=Balance.RANDOM),
    backend(PLAIN, Plaintext()),
    backend(TCP, wire=Wire.TCP),
    backend(SNIFF),
    backend(STRICT, MeshMtls(identities=(), sni="strict", auto=False)),
    backend(H2, wire=Wire.HTTP2),
    backend(PASS, balance=Balance.PASSTHROUGH),
    backend(OUT_HTTP, Plaintext(), Wire.HTTP1, outside="api.example.com"),
    backend(OUT_TLS, OriginateTls(sni="api.example.com"), Wire.HTTP1, outside="api.example.com"),
    backend(OUT_AUTO, OriginateTls(verify=False), outside="auto.example.com"),
    backend(OUT_TCP, OriginateTls(), Wire.TCP, outside="10.1.2.3"),
)
ENDPOINTS = tuple(
    EndpointSet(
        id=each.id,
        endpoints=(
            Endpoint(
                address="198.18.0.7",
                port=8080,
                mtls=True,
                namespace="shop",
                workload="reviews-v1",
                app="reviews",
                version="v1",
                cluster_identity=IDENTITY,
            ),
            Endpoint(address="198.18.0.8", port=8080, mtls=False),
        ),
    )
    for each in BACKENDS[:7]
)


def split(id: BackendId, weight: int = 100) -> Split:
    return Split(backend=id, weight=weight, origin=RULES)


def forward(*ids: BackendId) -> Forward:
    return Forward(splits=tuple(split(id) for id in ids))


def route(name: str, action: Action, match: RequestMatch = ANY_REQUEST) -> Route:
    return Route(name=name, match=match, action=action, origin=RULES)


CHANGES = HeaderChanges(
    set=(("x-set", "1"), ("host", "new.example.com")), add=(("x-add", "2"),), remove=("x-gone",)
)
ROUTES = (
    Route(
        name="canary",
        match=RequestMatch(
            path=Prefix("/api/"),
            ignore_case=True,
            method=Exact("GET"),
            authority=Suffix("example.com"),
            scheme=Exact("http"),
            headers=(
                HeaderMatch(name="x-user", match=Exact("jane")),
                HeaderMatch(name="x-not", match=Regex("a.*"), invert=True),
                HeaderMatch(name="x-there", match=Present()),
                HeaderMatch(name="x-absent", match=Present(), invert=True),
                HeaderMatch(name="x-any", match=Prefix("")),
            ),
            queries=(
                QueryMatch(name="debug", match=Present()),
                QueryMatch(name="v", match=Prefix("2")),
            ),
        ),
        action=Forward(
            splits=(
                Split(
                    backend=V1,
                    weight=90,
                    request_headers=CHANGES,
                    response_headers=HeaderChanges(remove=("server",)),
                    origin=RULES,
                ),
                split(V2, 10),
            ),
            timeout=30,
            retries=Retries(
                attempts=3, per_try_timeout=10, on=("5xx",), statuses=(503,), origin=RULES
            ),
            rewrite=Rewrite(path="/v2/", authority="reviews"),
        ),
        fault=Fault(delay=0.5, delay_percent=10.5, abort_grpc="UNAVAILABLE", abort_percent=0.0001),
        request_headers=CHANGES,
        response_headers=HeaderChanges(set=(("x-served-by", "lateen"),)),
        origin=RULES,
    ),
    route("exact", forward(H2), RequestMatch(path=Exact("/exact"))),
    route("regex", forward(PLAIN), RequestMatch(path=Regex("/r/[0-9]+"))),
    route(
        "redirect",
        Redirect(code=308, path="/new", authority="other", port=8443, scheme="https"),
        RequestMatch(path=Prefix("/old")),
    ),
    route("to-https", Redirect(scheme="https", strip_port=True), RequestMatch(path=Exact("/s"))),
    Route(
        name="teapot",
        match=RequestMatch(path=Exact("/teapot")),
        action=Respond(status=418, body="short and stout"),
        fault=Fault(abort_status=503, abort_percent=100),
        origin=RULES,
    ),
    route("outside", forward(OUT_HTTP), RequestMatch(path=Prefix("/out"))),
    route("outside-tls", forward(OUT_TLS, OUT_AUTO), RequestMatch(path=Prefix("/tls"))),
    route("rest", forward(STRICT)),
)
TABLE = RouteTable(
    name="80",
    hosts=(
        VirtualHost(
            name="reviews.shop.svc.cluster.local:80",
            domains=("reviews", "reviews:80", "*.example.com"),
            routes=ROUTES,
            origin=RULES,
        ),
        VirtualHost(
            name="secure",
            domains=("secure.example.com",),
            routes=(route("x", forward(V1)),),
            require_tls=True,
            origin=RULES,
        ),
        VirtualHost(
            name="allow_any",
            domains=("*",),
            routes=(route("allow_any", Elsewhere.PASSTHROUGH),),
            origin=RULES,
        ),
    ),
)
BLOCKED = RouteTable(
    name="7000",
    hosts=(
        VirtualHost(
            name="block_all",
            domains=("*",),
            routes=(route("block_all", Elsewhere.BLACK_HOLE),),
            origin=RULES,
        ),
    ),
)

NETWORKS = (IPv4Network("10.0.0.0/8"), IPv6Network("fd00::/8"))
EVERY_TEXT = (Exact("shop"), Prefix("sh"), Suffix("op"), Regex("s.*"), Present())
FULL_SOURCE: tuple[OnCaller, ...] = (
    IdentityCondition(
        identity=Identity.PRINCIPAL,
        any_of=(Exact("cluster.local/ns/shop/sa/web"), *EVERY_TEXT),
        none_of=(Suffix("/bad"),),
    ),
    IdentityCondition(identity=Identity.NAMESPACE, any_of=EVERY_TEXT, none_of=(Exact("bad"),)),
    AddressCondition(end=End.PEER, any_of=NETWORKS, none_of=NETWORKS),
    AddressCondition(end=End.CLIENT, any_of=NETWORKS, none_of=NETWORKS),
)
FULL_OPERATION: tuple[OnRequest, ...] = (
    TextCondition(trait=Trait.HOST, any_of=EVERY_TEXT, none_of=(Exact("bad"),)),
    PortCondition(any_of=(80, 8080), none_of=(81,)),
    TextCondition(trait=Trait.METHOD, any_of=(Exact("GET"), Present()), none_of=(Exact("PUT"),)),
    TextCondition(
        trait=Trait.PATH,
        any_of=(Prefix("/api"), Suffix("/x"), Regex("/r.*"), Present()),
        none_of=(Exact("/admin"),),
    ),
)
FULL_WHEN: tuple[Condition, ...] = (
    HeaderCondition(header="x-user", any_of=EVERY_TEXT, none_of=(Exact("bad"),)),
    DestinationCondition(any_of=NETWORKS, none_of=NETWORKS),
    TextCondition(trait=Trait.SNI, any_of=EVERY_TEXT, none_of=(Exact("bad"),)),
)
SECRET: tuple[OnRequest, ...] = (TextCondition(trait=Trait.PATH, any_of=(Prefix("/secret"),)),)
AUTHORIZATION = Authorization(
    deny=(
        Policy(
            name="ns[shop]-policy[no]",
            verdict=Verdict.DENY,
            clauses=(
                Clause(
                    sources=(FULL_SOURCE,),
                    operations=(FULL_OPERATION,),
                    when=FULL_WHEN,
                    origin=POLICY,
                ),
                Clause(operations=(SECRET,), origin=POLICY),
            ),
            origin=POLICY,
        ),
    ),
    allow=(
        Policy(
            name="ns[shop]-policy[yes]",
            verdict=Verdict.ALLOW,
            clauses=(Clause(sources=(FULL_SOURCE, ()), origin=POLICY), Clause(origin=POLICY)),
            origin=POLICY,
        ),
        Policy(name="ns[shop]-policy[none]", verdict=Verdict.ALLOW, clauses=(), origin=POLICY),
    ),
)

SIDECAR = Proxy(
    id="sidecar~198.18.0.2~web-1.shop~shop.svc.cluster.local",
    role=Role.SIDECAR,
    namespace="shop",
    pod="web-1",
    address="198.18.0.2",
    identity=IDENTITY,
    workload="web",
    app="web",
    version="v1",
)
GATEWAY = Proxy(
    id="router~198.18.0.3~gw-1.istio-system~istio-system.svc.cluster.local",
    role=Role.GATEWAY,
    namespace="istio-system",
    pod="gw-1",
    address="198.18.0.3",
    identity="spiffe://cluster.local/ns/istio-system/sa/gw",
    workload="istio-ingressgateway",
)


def inbound(otherwise: Mtls = Mtls.PERMISSIVE) -> Inbound:
    ports = tuple(
        InboundPort(port=8000 + 10 * m + s, speech=speech, mtls=mtls, origin=SERVICE)
        for m, mtls in enumerate(Mtls)
        for s, speech in enumerate(Speech)
    )
    return Inbound(ports=ports, otherwise=otherwise, authorization=AUTHORIZATION)


def sidecar_plan(otherwise: Mtls = Mtls.PERMISSIVE, allow_any: bool = True) -> ProxyPlan:
    return ProxyPlan(
        proxy=SIDECAR,
        outbound=(
            HttpOut(port=80, table="80", origin=SERVICE),
            HttpOut(port=443, table="80", origin=SERVICE),
            SniOut(
                port=443,
                by_host=(("api.example.com", (split(OUT_TLS),)), ("*.example.com", (split(TCP),))),
                origin=SERVICE,
            ),
            TcpOut(address="198.19.0.5", port=5432, to=(split(TCP),), origin=SERVICE),
            SniffOut(
                address="198.19.0.6", port=7000, table="7000", to=(split(SNIFF),), origin=SERVICE
            ),
        ),
        inbound=inbound(otherwise),
        tables=(TABLE, BLOCKED),
        backends=BACKENDS,
        endpoints=ENDPOINTS,
        allow_any=allow_any,
    )


def gateway_plan(secret: TlsSecret | None = None) -> ProxyPlan:
    name = secret.name if secret else "kubernetes://shop-cert"
    tls = (
        GatewayTls(
            hosts=("shop.example.com", "*.shop.example.com"),
            secrets=(name,),
            min_version="TLSV1_2",
            max_version="TLSV1_3",
            table="http.80",
            origin=origin("Gateway", "shop", "spec.servers[1]"),
        ),
        GatewayTls(hosts=("*",), secrets=(name,), table="http.80", origin=SERVICE),
    )
    http = GatewayHttp(table="http.80", origin=origin("Gateway", "shop", "spec.servers[0]"))
    return ProxyPlan(
        proxy=GATEWAY,
        gateway=(GatewayPort(port=80, http=http), GatewayPort(port=443, tls=tls)),
        authorization=AUTHORIZATION,
        tables=(RouteTable(name="http.80", hosts=TABLE.hosts[:1]),),
        backends=BACKENDS,
        endpoints=ENDPOINTS,
        secrets=(secret,) if secret else (),
    )
