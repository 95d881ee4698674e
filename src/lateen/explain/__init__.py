"""Walk a made-up request through the IR or through generated Envoy configuration."""
