"""The OpenAPI 3.1 document: what is written beside each view, put together by drf-spectacular."""
