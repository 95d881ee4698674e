"""Dashboards and alerts as files for Grafana, Prometheus and Alertmanager."""
