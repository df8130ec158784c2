"""The engine beside other ways to copy the same church: dlt, Singer and a bare script, as whole processes."""
