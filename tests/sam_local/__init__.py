"""The functions in containers: SAM's own emulation of Lambda and API Gateway, on tables and queues of a local cloud."""
