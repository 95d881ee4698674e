{{.metadata.name}} in {{.metadata.namespace}}
