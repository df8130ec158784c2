"""On any machine, a command works or says in one line what is wrong: real processes, one embedded server.

The church is on this machine, over HTTP: neither a proxy nor a certificate has anything to do with it. What goes
through them goes to hosts that do not exist.
"""

import os
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.postgres.embedded_server import stop_embedded
from openfaith_sync_tests.commands.conftest import PROGRAM, PROJECT
from openfaith_sync_tests.forking import command_line
from openfaith_sync_tests.ten_entities import MANIFESTS

FAR = "https://church.invalid"
DEAD = "http://anna:hidden@127.0.0.1:1"
ODD_PG = {
    "PGHOST": "db.invalid", "PGHOSTADDR": "192.0.2.1", "PGPORT": "1", "PGUSER": "x", "PGDATABASE": "nowhere",
    "PGSERVICE": "nothing", "PGSSLMODE": "verify-full", "PGOPTIONS": "-c default_transaction_read_only=on",
    "PGREQUIREAUTH": "scram-sha-256", "PGDATESTYLE": "German", "PGCLIENTENCODING": "LATIN1",
}  # fmt: skip
ODD_LOCALE = {"LANG": "xx_XX.UTF-8", "LC_ALL": "xx_XX.UTF-8"}
ODD_PROXIES = {"HTTP_PROXY": DEAD, "HTTPS_PROXY": "socks5://x:hidden@127.0.0.1:1", "ALL_PROXY": "::malformed::"}
ODD_CERTIFICATES = {"SSL_CERT_FILE": "/nonexistent/certificates.pem", "SSL_CERT_DIR": "/nonexistent"}


class Machine:
    """A home with an embedded server, and commands in processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "OPENFAITH_HOME": str(folder / "home"),
            "OPENFAITH_MANIFESTS": str(MANIFESTS),
            "DAGSTER_HOME": str(folder / "dagster"),
        }
        self.database: Database = open_database(Settings.from_environment(self.environment))

    def run(self, *words: str, **odd: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a fork, which knows nothing of this environment but what it reads in it by itself."""
        environment = self._environment(odd)
        return command_line().run([str(PROGRAM), *words], environment=environment, folder=self.folder, timeout=180)

    def start(self, *words: str, **odd: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a process that is started, so that Python itself finds this environment."""
        return subprocess.run(
            [PROGRAM, *words], cwd=self.folder, env=self._environment(odd), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip

    def _environment(self, odd: dict[str, str]) -> dict[str, str]:
        usual = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
        for name in ("OPENFAITH_DATABASE_URL", "OPENFAITH_SECRET_KEYS", "SSL_CERT_FILE", "SSL_CERT_DIR"):
            usual.pop(name, None)
        return usual | self.environment | odd

    def add(self, name: str, base_url: str, **odd: str) -> subprocess.CompletedProcess[str]:
        return self.run("org", "add", name, "--basic", "demo:demo", "--base-url", base_url, **odd)

    def expect_line(self, done: subprocess.CompletedProcess[str], *says: str) -> None:
        """One line says what is wrong, no secret is in it, and nothing was stored."""
        assert done.returncode == 1, done.stderr
        assert done.stderr.startswith("openfaith-sync: "), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stdout == ""
        for part in says:
            assert part in done.stderr
        assert "hidden" not in done.stderr
        assert [str(held.org) for held in list_connections(self.database)] == ["grace"]


@pytest.fixture(scope="module")
def machine(church: RunningSimulator) -> Iterator[Machine]:
    with new_folder() as folder:
        yield from running(folder, church)


@contextmanager
def new_folder() -> Iterator[Path]:
    # Not one of pytest's own: it shuts them to all but root when another session starts, and the server runs as
    # another user.
    with tempfile.TemporaryDirectory(prefix="openfaith-odd-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def running(folder: Path, church: RunningSimulator) -> Iterator[Machine]:
    (folder / "dagster").mkdir()
    (folder / "dagster" / "dagster.yaml").write_bytes((PROJECT / "dagster.yaml").read_bytes())
    machine = Machine(folder)
    assert machine.add("grace", church.base_url).returncode == 0
    yield machine
    stop_embedded(folder / "home")


@pytest.mark.parametrize(
    "odd",
    [ODD_PG, ODD_LOCALE, ODD_PROXIES, ODD_CERTIFICATES, {"https_proxy": DEAD, "http_proxy": DEAD, "all_proxy": DEAD}],
    ids=["another server's variables", "a locale that is not there", "proxies", "certificates", "dead proxies"],
)
def test_a_sync_works_whatever_the_environment_holds_that_is_not_about_it(
    machine: Machine, odd: dict[str, str]
) -> None:
    done = machine.start("sync", "grace", "--entity", "campus", **odd)
    assert done.returncode == 0, done.stderr
    assert "complete" in done.stdout


@pytest.fixture
def folder() -> Iterator[Path]:
    with new_folder() as folder:
        yield folder
        stop_embedded(folder / "home")


def test_a_first_run_through_dagster_works_on_the_oddest_of_machines(folder: Path) -> None:
    (folder / "dagster.yaml").write_bytes((PROJECT / "dagster.yaml").read_bytes())
    odd = ODD_PG | ODD_LOCALE | ODD_PROXIES | ODD_CERTIFICATES | {"PATH": os.environ["PATH"]}
    environment = odd | {"OPENFAITH_MANIFESTS": str(MANIFESTS), "OPENFAITH_HOME": str(folder / "home")}
    done = subprocess.run(
        [PROGRAM, "demo", "--people", "10"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "The copy matches the simulator's data" in done.stdout


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ({"HTTPS_PROXY": DEAD}, ("the proxy 127.0.0.1:1 (HTTPS_PROXY) cannot be reached", "NO_PROXY=church.invalid")),
        ({"https_proxy": DEAD}, ("the proxy 127.0.0.1:1 (https_proxy) cannot be reached",)),
        ({"ALL_PROXY": DEAD}, ("the proxy 127.0.0.1:1 (ALL_PROXY) cannot be reached",)),
        ({"ALL_PROXY": "socks5://u:hidden@proxy.invalid:1080"}, (
            "ALL_PROXY names a SOCKS proxy (socks5://proxy.invalid:1080)", "set ALL_PROXY to one",
        )),
        ({"HTTPS_PROXY": "socks5h://proxy.invalid"}, ("HTTPS_PROXY names a SOCKS proxy",)),
        ({"HTTPS_PROXY": "http://u:hidden@proxy.invalid:port"}, ("HTTPS_PROXY is not the URL of a proxy; expected",)),
        ({"HTTPS_PROXY": "ftp://hidden"}, ("HTTPS_PROXY is not the URL of a proxy; expected",)),
        ({"HTTPS_PROXY": "http://"}, ("HTTPS_PROXY is not the URL of a proxy; expected",)),
        ({"HTTPS_PROXY": "://"}, ("HTTPS_PROXY is not the URL of a proxy; expected",)),
        ({"HTTPS_PROXY": DEAD, "NO_PROXY": "invalid"}, ("church.invalid", "no connection was made (")),
        ({"SSL_CERT_FILE": "/nonexistent/x.pem"}, ("SSL_CERT_FILE is /nonexistent/x.pem", "unset it")),
        ({"SSL_CERT_FILE": "/etc/hostname"}, ("SSL_CERT_FILE is /etc/hostname", "it contains no certificates")),
        ({"SSL_CERT_FILE": "/etc"}, ("SSL_CERT_FILE is /etc", "unset it")),
        ({"SSL_CERT_DIR": "/nonexistent"}, ("SSL_CERT_DIR is /nonexistent", "no such folder")),
    ],
    ids=str,
)  # fmt: skip
def test_a_proxy_or_certificate_that_cannot_be_used_is_one_line_with_the_remedy(
    machine: Machine, odd: dict[str, str], says: tuple[str, ...]
) -> None:
    machine.expect_line(machine.add("hope", FAR, **odd), *says)


def test_a_proxy_that_refuses_is_named_with_its_status(machine: Machine) -> None:
    with Serving(_Refusing) as port:
        odd = {"HTTPS_PROXY": f"http://anna:hidden@127.0.0.1:{port}"}
        machine.expect_line(
            machine.add("hope", FAR, **odd), f"the proxy 127.0.0.1:{port} (HTTPS_PROXY) refused the connection with 407"
        )


def test_a_certificate_that_nobody_vouches_for_is_named_with_the_remedy(machine: Machine, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    with Serving(_Refusing, certificate) as port:
        url = f"https://localhost:{port}"
        machine.expect_line(
            machine.add("hope", url), "its certificate is not trusted (self-signed certificate)", "set SSL_CERT_FILE to"
        )
        other = self_signed(tmp_path / "other")
        machine.expect_line(
            machine.add("hope", url, SSL_CERT_FILE=str(other)),
            "its certificate is not trusted",
            f"only the certificates in SSL_CERT_FILE ({other}) are trusted",
        )
        # Trusted: what comes now is the server's own answer.
        assert "500" in machine.add("hope", url, SSL_CERT_FILE=str(certificate)).stderr


def test_https_to_a_port_that_speaks_http_is_named(machine: Machine, church: RunningSimulator) -> None:
    url = church.base_url.replace("http://", "https://")
    machine.expect_line(machine.add("hope", url), "the server does not use TLS", "http://")


def a_file(folder: Path) -> Path:
    path = folder / "a-file"
    path.write_text("not a folder")
    return path


@pytest.mark.parametrize("variable", ["OPENFAITH_HOME", "DAGSTER_HOME"])
@pytest.mark.parametrize("kind", ["a file", "below a file", "not writable"])
def test_a_home_that_is_no_folder_is_one_line_and_nothing_is_stored(
    machine: Machine, church: RunningSimulator, tmp_path: Path, variable: str, kind: str
) -> None:
    file = a_file(tmp_path)
    # Root may write anywhere but here.
    home = {"a file": file, "below a file": file / "home", "not writable": Path("/proc/openfaith")}[kind]
    done = machine.add("hope", church.base_url, **{variable: str(home)})
    machine.expect_line(done, f"cannot use the folder {home}", f"set {variable} to a writable folder")
    assert file.read_text() == "not a folder"


@pytest.mark.parametrize("words", [("status",), ("sync", "grace"), ("db", "query", "select 1 as one")])
def test_every_command_says_it_of_a_home_on_a_file(machine: Machine, tmp_path: Path, words: tuple[str, ...]) -> None:
    done = machine.run(*words, OPENFAITH_HOME=str(a_file(tmp_path)))
    machine.expect_line(done, "it is a file; set OPENFAITH_HOME")


@pytest.mark.parametrize("spoiled", ["a folder", "no yaml", "nothing known"])
def test_an_instance_of_dagster_that_cannot_be_opened_leaves_nothing_half_written(
    machine: Machine, church: RunningSimulator, tmp_path: Path, spoiled: str
) -> None:
    path = tmp_path / "dagster.yaml"
    if spoiled == "a folder":
        path.mkdir()
    else:
        path.write_text("{" if spoiled == "no yaml" else "nothing_known: {}")
    done = machine.add("hope", church.base_url, DAGSTER_HOME=str(tmp_path))
    machine.expect_line(done, f"Dagster's instance in {tmp_path} cannot be opened")


def test_a_folder_in_place_of_a_manifest_file_is_named(
    machine: Machine, church: RunningSimulator, tmp_path: Path
) -> None:
    for name in ("adapter.yaml", "people.yaml"):
        folder = tmp_path / name
        (folder / "pco" / name).mkdir(parents=True)
        done = machine.add("hope", church.base_url, OPENFAITH_MANIFESTS=str(folder))
        assert done.returncode == 1
        assert f"{folder}/pco/{name}:1: " in done.stderr
        assert "found a folder, expected a file that can be read" in done.stderr
        assert "Traceback" not in done.stderr
        assert [str(held.org) for held in list_connections(machine.database)] == ["grace"]


class _Refusing(BaseHTTPRequestHandler):
    """A proxy that wants a login, and a source that fails."""

    def do_CONNECT(self) -> None:
        self.send_error(407)

    def do_GET(self) -> None:
        self.send_error(500)

    def log_message(self, *_: object) -> None:
        pass


class Serving:
    """A server of these answers for as long as the block lasts, over TLS with this certificate."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], certificate: Path | None = None) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        # A client that does not trust us breaks off, which is no error here.
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # quiet
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self) -> int:
        self.thread.start()
        return int(self.server.server_address[1])

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def self_signed(folder: Path) -> Path:
    """A key and a certificate for this machine that no authority signed."""
    folder.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
