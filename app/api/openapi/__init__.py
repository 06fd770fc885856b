"""The OpenAPI document: each operation is documented beside its view."""
