"""The codes of lateen's own: 00 reading and running, 01 the proxies, 02 traffic, 03 security, 04 workloads, 05 old forms.

In: -    Out: entries.
Before: check/catalogue/entry.py    After: check/catalogue/__init__.py
"""

from __future__ import annotations

from lateen.base.problem import Level
from lateen.check.catalogue.entry import Entry, Found

E, W, I = Level.ERROR, Level.WARNING, Level.INFO  # noqa: E741 - a table reads better narrow
READ, ADVICE, RUN = Found.READING, Found.ADVICE, Found.RUNNING

OWN: tuple[Entry, ...] = (
    Entry(
        "LAT0001",
        "UnknownKind",
        W,
        READ,
        "a kind that lateen does not know; the object is left out",
    ),
    Entry("LAT0002", "NotYetHonoured", W, READ, "a field or kind that has no effect in lateen yet"),
    Entry("LAT0003", "NotYaml", E, READ, "a text that cannot be read as YAML or JSON"),
    Entry(
        "LAT0004",
        "NotAnObject",
        E,
        READ,
        "a document that is no Kubernetes object: no kind, no name, a wrong version",
    ),
    Entry("LAT0005", "DescribedTwice", E, READ, "two documents describe one object"),
    Entry("LAT0006", "PathNotFound", E, READ, "a path that is not there, or cannot be read"),
    Entry("LAT0007", "NotCarriedOut", W, READ, "a file that lateen recognises and does not act on"),
    Entry("LAT0008", "ProjectFault", E, RUN, "lateen.yaml is not valid"),
    Entry("LAT0009", "ServiceWithoutPods", W, READ, "a Service that selects no pods"),
    Entry(
        "LAT0010",
        "UnknownPortName",
        W,
        READ,
        "a Service's targetPort names a port that no container has",
    ),
    Entry("LAT0011", "UnknownIdentity", W, READ, "a policy names an identity that no pod has"),
    Entry("LAT0012", "NamespaceMade", I, RUN, "a namespace that nobody declared was made"),
    Entry(
        "LAT0013", "NotBuilt", W, RUN, "a changed source cannot be built; the older build goes on"
    ),
    Entry("LAT0014", "PortTaken", E, RUN, "a port of this machine cannot be opened"),
    Entry("LAT0015", "HostRefused", W, RUN, "clients of this machine cannot speak the mesh's mTLS"),
    Entry("LAT0016", "CertificateEnds", W, RUN, "a certificate ends soon, or has ended"),
    Entry("LAT0017", "ClockMoved", W, RUN, "this machine's clock was set to another time"),
    Entry(
        "LAT0019",
        "NotAdmitted",
        E,
        RUN,
        "a quota, a level of Pod Security or a policy keeps an object out",
    ),
    Entry("LAT0030", "PathsRead", I, READ, "how paths are read before a policy compares them"),
    Entry("LAT0100", "RefusedByEnvoy", E, RUN, "Envoy refused what an object became"),
    Entry("LAT0101", "Overruled", W, RUN, "an older rule leaves this one without effect"),
    Entry(
        "LAT0102",
        "PartNotCarried",
        W,
        RUN,
        "a part that is not carried takes its rule out of force",
    ),
    Entry("LAT0103", "AppliedStricter", W, RUN, "a policy holds more back than is written"),
    Entry("LAT0104", "NoUpgrade", W, RUN, "HTTP/2 towards a port that does not say it is HTTP"),
    Entry("LAT0105", "ListenerTaken", W, RUN, "two listeners want one address and port"),
    Entry("LAT0107", "FaultWithoutPercentage", W, READ, "a fault that concerns no request"),
    Entry("LAT0108", "NoKeys", W, RUN, "an issuer whose tokens nobody can verify"),
    Entry(
        "LAT0109", "TokenNeverRead", W, READ, "a policy asks for a token where none is looked at"
    ),
    Entry(
        "LAT0110",
        "AuthorizerAsksItself",
        W,
        RUN,
        "an authorizer is to be asked about the question put to it",
    ),
    Entry("LAT0111", "NowhereToReport", W, RUN, "traces or access logs have nowhere to go"),
    Entry("LAT0112", "NotCounted", W, RUN, "a metric, or a label of one, that cannot be made"),
    Entry(
        "LAT0201",
        "ShadowedRule",
        W,
        ADVICE,
        "a rule that no request reaches, because a wider one stands before it",
    ),
    Entry("LAT0202", "WeightsNotHundred", W, ADVICE, "weights that do not add up to 100"),
    Entry(
        "LAT0203",
        "RetriesOutlastTimeout",
        W,
        ADVICE,
        "retries that the request's timeout leaves no time for",
    ),
    Entry("LAT0204", "RetryStorm", W, ADVICE, "retries that multiply along a chain of calls"),
    Entry(
        "LAT0205",
        "WeightLeftOut",
        W,
        ADVICE,
        "a destination without weight beside others that have one",
    ),
    Entry(
        "LAT0206",
        "GatewayWithoutRoutes",
        W,
        ADVICE,
        "a Gateway's server that no VirtualService is for",
    ),
    Entry(
        "LAT0207",
        "HostClaimedTwice",
        W,
        ADVICE,
        "two VirtualServices route the same requests of one host at one Gateway",
    ),
    Entry(
        "LAT0208",
        "NameAgainstProtocol",
        W,
        ADVICE,
        "a port's name says one protocol, what else is known of it another",
    ),
    Entry(
        "LAT0209",
        "HttpRuleOfTcp",
        W,
        ADVICE,
        "HTTP rules for a port that is declared not to be HTTP",
    ),
    Entry("LAT0210", "DestinationRuleTwice", W, ADVICE, "two DestinationRules for one host"),
    Entry(
        "LAT0211",
        "UnknownVirtualServiceHost",
        W,
        ADVICE,
        "a VirtualService for a host that no Service has",
    ),
    Entry(
        "LAT0301", "PolicyMatchesNothing", W, ADVICE, "a rule of a policy that no request can match"
    ),
    Entry(
        "LAT0302",
        "PolicyAllowsAll",
        W,
        ADVICE,
        "a rule of a policy that lets everybody do everything",
    ),
    Entry(
        "LAT0303",
        "PathVariant",
        W,
        ADVICE,
        "a path held back that another way to write it slips past",
    ),
    Entry(
        "LAT0304", "HostVariant", W, ADVICE, "a host held back that passes with its port written"
    ),
    Entry(
        "LAT0305",
        "TokenNotRequired",
        W,
        ADVICE,
        "tokens are checked where they come, and none is asked for",
    ),
    Entry(
        "LAT0306",
        "ClientWithoutProxy",
        W,
        ADVICE,
        "a client without a proxy of pods that insist on mTLS",
    ),
    Entry("LAT0307", "MutualTlsTurnedOff", W, ADVICE, "a DestinationRule that takes mTLS away"),
    Entry("LAT0308", "PlaintextOnly", W, ADVICE, "a PeerAuthentication that turns mTLS off"),
    Entry(
        "LAT0309",
        "IdentityWithoutMutualTls",
        W,
        ADVICE,
        "a policy on who calls, where callers without mTLS are nobody",
    ),
    Entry(
        "LAT0310", "PeerAuthenticationTwice", W, ADVICE, "two PeerAuthentications for the same pods"
    ),
    Entry("LAT0311", "UnknownPeerPort", W, ADVICE, "mTLS for a port that the pods do not have"),
    Entry(
        "LAT0312", "HttpPolicyOfTcp", W, ADVICE, "a policy on requests for pods that speak no HTTP"
    ),
    Entry("LAT0313", "MethodVariant", I, ADVICE, "GET is held back, and HEAD is not"),
    Entry("LAT0401", "NoRequests", I, ADVICE, "a container that requests no CPU or no memory"),
    Entry(
        "LAT0402", "NoMemoryLimit", I, ADVICE, "a container that may take all the memory there is"
    ),
    Entry(
        "LAT0403",
        "NoReadinessProbe",
        I,
        ADVICE,
        "pods behind a Service that nobody asks whether they are ready",
    ),
    Entry(
        "LAT0404",
        "NoLivenessProbe",
        I,
        ADVICE,
        "pods behind a Service that nobody asks whether they are alive",
    ),
    Entry("LAT0405", "LatestImage", W, ADVICE, "an image without a version"),
    Entry("LAT0406", "BlockedDrain", W, ADVICE, "a PodDisruptionBudget that lets no pod go"),
    Entry("LAT0407", "BudgetWithoutPods", W, ADVICE, "a PodDisruptionBudget that selects no pods"),
    Entry("LAT0408", "NothingToScale", W, ADVICE, "an autoscaler of a workload that is not there"),
    Entry(
        "LAT0409",
        "ScaledWithoutRequests",
        W,
        ADVICE,
        "an autoscaler by a share of requests that nobody makes",
    ),
    Entry(
        "LAT0410",
        "UnknownProbePort",
        W,
        ADVICE,
        "a probe of a named port that its container has not",
    ),
    Entry(
        "LAT0411",
        "UndeclaredTargetPort",
        W,
        ADVICE,
        "a Service's targetPort that no container declares",
    ),
    Entry("LAT0412", "NetworkPolicyWithoutPods", W, ADVICE, "a NetworkPolicy that selects no pods"),
    Entry("LAT0413", "UnknownRole", W, ADVICE, "a binding to a role that is not there"),
    Entry("LAT0501", "RemovedCommand", W, ADVICE, "a command that istioctl no longer has"),
    Entry("LAT9999", "Bug", E, RUN, "a fault of lateen itself"),
)
