"""Apprise URLs hold secrets: what is shown of one tells it from others and gives nothing away."""

import pytest

from openfaith_sync.domain.alerts.targets import build_target
from openfaith_sync.domain.connections.deployment_settings import Settings


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("slack://TokenA/TokenB/TokenC/#alerts", "slack://"),
        ("tgram://123456789:secret/12345", "tgram://"),
        ("ntfy://a-topic-nobody-knows", "ntfy://"),
        ("matrix://secrettoken", "matrix://"),
        ("mailto://user:hunter2@example.org?to=a@example.org,b@example.org", "mailto://example.org"),
        ("json://user:hunter2@127.0.0.1:8080/secret/path?key=secret", "json://127.0.0.1:8080"),
        ("jsons://[::1]:8443/secret", "jsons://[::1]:8443"),
        ("https://hooks.slack.com/services/T0/B0/secret", "https://hooks.slack.com"),
        ("workflows://prod.example.com:443/workflow/signature", "workflows://prod.example.com:443"),
        ("json://user:secret@host:port/", "json://"),
        ("a-secret-without-a-scheme", "(not a URL)"),
        ("no scheme://secret", "(not a URL)"),
    ],
)
def test_only_what_is_no_secret_is_shown(url: str, shown: str) -> None:
    target = build_target(url)
    assert target.name.rpartition(" #")[0] == shown
    assert "secret" not in repr(target) + target.name + target.key
    assert "hunter2" not in repr(target)


def test_similar_targets_are_told_apart_and_one_keeps_its_key() -> None:
    one, other = build_target("slack://A/B/C"), build_target("slack://A/B/D")
    assert one.name != other.name
    assert one.key != other.key
    # A changed way of making keys would tell every open alert once more.
    assert one.key == "98a31e1ada547528202f9fbc"


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("", ()),
        (" \n", ()),
        ("json://a", ("json://a",)),
        ("json://a, slack://x/y/z  mailto://q\n", ("json://a", "slack://x/y/z", "mailto://q")),
        ("mailto://u:p@h?to=a@b.org,c@d.org,json://a", ("mailto://u:p@h?to=a@b.org,c@d.org", "json://a")),
        ("json://a,json://a,,", ("json://a",)),
    ],
)
def test_urls_are_separated_by_spaces_or_commas(text: str, urls: tuple[str, ...]) -> None:
    settings = Settings.from_environment({"OPENFAITH_ALERT_URLS": text})
    assert settings.alert_urls == urls
    assert "json://a" not in repr(settings)
