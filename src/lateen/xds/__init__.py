"""The xDS protocol: a pure state machine, a ledger of what each proxy said, a gRPC server."""
