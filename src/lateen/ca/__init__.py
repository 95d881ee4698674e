"""Root, intermediate and workload certificates."""
