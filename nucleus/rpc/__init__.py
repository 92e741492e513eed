"""gRPC: generated stubs, messages to dataclasses, refusals to statuses, the one loop."""
