"""The Python client: connection, requests, blobs."""
