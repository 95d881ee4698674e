"""The sandbox: network namespaces, pods as processes, Envoys, probes, logs, DNS, border."""
