"""Metrics of the proxies under Istio's names."""
