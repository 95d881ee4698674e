"""lateen runs Kubernetes and Istio YAML on one machine, with real Envoys and strict mTLS."""

__version__ = "0.1.0"
