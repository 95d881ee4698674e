"""IR to Envoy protobuf, pure."""
