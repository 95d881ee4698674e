"""What users write: one file per kind, typed; decoding with positions; the registry of kinds."""
