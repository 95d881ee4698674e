"""What traffic does, in no API object's words and not in Envoy's."""
