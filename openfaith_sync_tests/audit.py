"""``make check``: no version that we pin has a known vulnerability, as far as can be known now.

All pins are asked about in one request to OSV, which holds the advisories of the Python Packaging
Authority and of GitHub. Where it cannot be reached nothing is known, which is said and is no failure.
"""

import os
import re
import sys
from pathlib import Path

import httpx

SERVICE = "https://api.osv.dev"
SECONDS = 10
ACCEPTED: dict[str, str] = {}
"""Advisories that do not concern us, each with the reason."""

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)")


def read_pins(text: str) -> list[tuple[str, str]]:
    """Return every name with its version."""
    found = (_PIN.fullmatch(line.strip()) for line in text.splitlines())
    return [(pin[1], pin[2]) for pin in found if pin]


def find_vulnerabilities(pins: list[tuple[str, str]], service: str = SERVICE) -> list[str]:
    """Return a line for each version with advisories that nobody accepted.

    Raises:
        httpx.HTTPError: The service cannot be asked.
    """
    queries = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in pins]
    with httpx.Client(timeout=httpx.Timeout(SECONDS, connect=SECONDS / 2)) as client:
        answer = client.post(f"{service}/v1/querybatch", json={"queries": queries}).raise_for_status()
    lines = []
    for (name, version), result in zip(pins, answer.json()["results"], strict=True):
        ids = sorted({found["id"] for found in result.get("vulns", ())} - ACCEPTED.keys())
        if ids:
            lines.append(f"{name} {version}: {', '.join(ids)}")
    return lines


def main(path: str, service: str) -> int:
    pins = read_pins(Path(path).read_text())
    try:
        found = find_vulnerabilities(pins, service)
    except (httpx.HTTPError, ValueError, KeyError) as error:
        print(f"Dependencies were not audited: {service} cannot be asked now ({type(error).__name__})")
        return 0
    for line in found:
        print(f"vulnerable: {line} (see https://osv.dev)")
    if not found:
        print(f"Dependencies: none of {len(pins)} pinned versions has a known vulnerability")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], os.environ.get("OSV_SERVICE", SERVICE)))
