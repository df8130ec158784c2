"""What the engine needs of sources and stores, as Protocols."""
