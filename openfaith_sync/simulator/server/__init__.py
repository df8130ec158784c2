"""The ASGI application and its process."""
