"""The stable codes of the problems found before an object is stored.

In: -    Out: the codes, each with the meaning Istio gives it, or (`LAT…`) that lateen does.
Before: -       After: api/decode.py, check/, sources/
"""

from __future__ import annotations

UNKNOWN_KIND = "LAT0001"  # a kind lateen does not carry; the object is left out
NOT_YET_HONOURED = "LAT0002"  # a field of the API that has no effect here
NOT_YAML = "LAT0003"  # the text cannot be read
NOT_AN_OBJECT = "LAT0004"  # readable, but no Kubernetes object: no kind, no name, a wrong version
TWICE = "LAT0005"  # two documents describe the same object
NOT_FOUND = "LAT0006"  # a path that was given does not exist or cannot be read
NOT_CARRIED_OUT = "LAT0007"  # a file lateen recognises and does not act on
PROJECT_FAULT = "LAT0008"  # lateen.yaml is wrong
NO_PODS = "LAT0009"  # a Service that selects no pods
NO_SUCH_PORT_NAME = "LAT0010"  # a Service's targetPort names a port no container has
PATHS_READ = "LAT0030"  # how paths are read before a policy's are compared with them
NOBODY = "LAT0011"  # a policy names an identity no pod has
UNDECLARED_NAMESPACE = "LAT0012"  # an object in a namespace nobody declared; it is made
NOT_BUILT = "LAT0013"  # a changed source that cannot be built anew; the older build goes on
PORT_TAKEN = "LAT0014"  # a port of this machine, for a Gateway or Service, that cannot be opened
HOST_REFUSED = "LAT0015"  # a Service for the host's clients whose pods take only the mesh's mTLS
NOT_ADMITTED = (
    "LAT0019"  # a quota, a level of Pod Security or a policy keeps the object out, or warns
)
CERTIFICATE_ENDS = "LAT0016"  # less than a fifth of a certificate's life is left, or none
CLOCK_MOVED = "LAT0017"  # this machine's clock was set to another time

REFERENCE_NOT_FOUND = "IST0101"  # a host, gateway, subset, Secret … that is not there
BAD_FIELD = "IST0106"  # one object, taken alone, is not valid
CONFLICTING_MESH_HOSTS = "IST0109"  # two VirtualServices in the mesh define the same host
PORT_NAME_CONVENTION = "IST0118"  # a port whose name does not tell its protocol
NO_WORKLOADS = "IST0127"  # a policy's selector matches no pods
UNREACHABLE_RULE = "IST0130"  # a VirtualService rule behind one that matches everything
INEFFECTIVE_MATCH = "IST0131"  # a match an earlier rule has already
HOST_NOT_IN_GATEWAY = "IST0132"  # a VirtualService host its Gateway does not serve
FIELD_WARNING = "IST0133"  # valid, but surely not meant
CONFLICTING_GATEWAYS = "IST0145"  # two Gateways claim the same host and port
INVALID_CREDENTIAL = "IST0161"  # a Gateway's Secret holds no usable certificate
SUBSET_WITHOUT_PODS = "IST0173"  # a subset whose labels no pod of the host carries
UNKNOWN_RULE_HOST = "IST0174"  # a DestinationRule for a host that is not there

# What runs, and is hardly meant: `lateen analyze` says so, `lateen up` does not.
DEPRECATED = "IST0002"  # Istio takes it still, and has a better form
NAMESPACE_NOT_INJECTED = "IST0102"
MISPLACED_ANNOTATION = "IST0107"
UNKNOWN_ANNOTATION = "IST0108"
SEVERAL_SIDECARS_OF_PODS = "IST0110"
SEVERAL_SIDECARS = "IST0111"
PORT_REQUIRED = "IST0112"  # a destination with several ports, none of them chosen
MTLS_CONFLICT = "IST0113"
CONFLICTING_PROTOCOLS = "IST0116"
SEVERAL_INJECTION_LABELS = "IST0123"
BAD_ANNOTATION = "IST0125"
UNKNOWN_REGISTRY = "IST0126"  # a network of endpoints from a cluster nobody is
UNCHECKED_CERTIFICATE = "IST0128"
UNCHECKED_PORT = "IST0129"
ADDRESSES_REQUIRED = "IST0134"
DEPRECATED_ANNOTATION = "IST0135"
CONFLICTING_PORTS = "IST0137"
SHARED_CERTIFICATE = "IST0138"
BAD_WEBHOOK = "IST0139"
MESH_SUBSETS_ONLY = "IST0140"  # a mesh route's subsets do not hold at a gateway
PROXYS_USER = "IST0144"
AUTO_WORKLOAD_NOT_INJECTED = "IST0146"
AUTO_POD_NOT_INJECTED = "IST0147"
INJECTED_BY_DEFAULT = "IST0148"
CLAIMS_NOT_READ = "IST0149"
EXTERNAL_NAME_PORT = "IST0150"
RELATIVE_OPERATION = "IST0151"
REPLACE_IGNORED = "IST0152"
ADD_IGNORED = "IST0153"
REMOVE_IGNORED = "IST0154"
RELATIVE_OPERATION_OF_VERSION = "IST0155"
UNSUPPORTED_GATEWAY_VERSION = "IST0156"  # a definition of the Gateway API without v1beta1
NO_LOG_PROVIDER = "IST0157"
SEVERAL_TELEMETRIES_OF_PODS = "IST0159"
SEVERAL_TELEMETRIES = "IST0160"
GATEWAY_PORT_CLOSED = "IST0162"
BAD_URL_OF_CONTROL_PLANE = "IST0163"
ADDRESS_OF_CONTROL_PLANE = "IST0164"
INTERNAL_GATEWAY = "IST0165"
KUBERNETES_GATEWAY_SELECTED = "IST0166"
NO_EFFECT = "IST0167"  # settings of a proxy that the pods do not have
UNSTABLE_GATEWAY_VERSION = "IST0172"  # a definition of the Gateway API without v1
KEYS_FROM_ANYWHERE = "IST0175"
OLD_GATEWAY_BUNDLE = "IST0176"
CONFLICTING_ENTRY_PROTOCOLS = "IST0177"

FAULT_OF_NOTHING = "LAT0107"
JWT_NEVER_READ = "LAT0109"
SHADOWED_RULE = "LAT0201"
WEIGHTS_OFF = "LAT0202"
RETRIES_OUTLAST = "LAT0203"
RETRY_STORM = "LAT0204"
WEIGHT_LEFT_OUT = "LAT0205"
GATEWAY_WITHOUT_ROUTES = "LAT0206"
HOST_CLAIMED_TWICE = "LAT0207"
NAME_AGAINST_PROTOCOL = "LAT0208"
HTTP_RULE_OF_TCP = "LAT0209"
RULE_TWICE = "LAT0210"
UNKNOWN_HOST = "LAT0211"
MATCHES_NOTHING = "LAT0301"
ALLOWS_ALL = "LAT0302"
PATH_VARIANT = "LAT0303"
HOST_VARIANT = "LAT0304"
JWT_NOT_REQUIRED = "LAT0305"
CLIENT_WITHOUT_PROXY = "LAT0306"
MTLS_TURNED_OFF = "LAT0307"
MTLS_OFF = "LAT0308"
IDENTITY_WITHOUT_MTLS = "LAT0309"
PEER_POLICY_TWICE = "LAT0310"
PEER_PORT = "LAT0311"
HTTP_POLICY_OF_TCP = "LAT0312"
METHOD_VARIANT = "LAT0313"
NO_REQUESTS = "LAT0401"
NO_MEMORY_LIMIT = "LAT0402"
NO_READINESS = "LAT0403"
NO_LIVENESS = "LAT0404"
LATEST_IMAGE = "LAT0405"
BLOCKED_DRAIN = "LAT0406"  # a disruption budget that lets no pod go
UNPROTECTED = "LAT0407"  # a disruption budget that selects no pods
AUTOSCALED_NOTHING = "LAT0408"
AUTOSCALED_WITHOUT_REQUESTS = "LAT0409"
PROBE_PORT = "LAT0410"  # a probe of a named port that the container has not
TARGET_PORT = "LAT0411"  # a Service's target port that no container declares
GUARDS_NOTHING = "LAT0412"  # a NetworkPolicy that selects no pods
NO_SUCH_ROLE = "LAT0413"
REMOVED_COMMAND = "LAT0501"
