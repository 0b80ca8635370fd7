import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from accel.models.download import check_address, download
from accel.models.store import ModelError
from tests.accel.models.records import part
from tests.accel.models.server import accepting

DATA = b"network"


@pytest.mark.parametrize("url", ["https://a.example/x", "http://localhost:1/x", "http://[::1]/x"])
def test_https_and_loopback_urls_are_accepted(url):
    check_address(url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://a.example/x", "ftp://a.example/x", "file:///etc/passwd", "x", "", "https://", "https:///x"),
        *("https://[::1", "https://a.example:port/x", "https://a example/x", "https://a.example/\u00fc"),
    ],
)
def test_other_addresses_are_refused(url):
    with pytest.raises(ModelError, match="https"):
        check_address(url)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(ModelError, match=r"URL of a\.example contains a user name or password") as caught:
        check_address("https://bob:s3cret@a.example/x")
    assert "s3cret" not in str(caught.value)


def test_errors_name_the_proxy_without_its_password(tmp_path, monkeypatch):
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://bob:s3cret@127.0.0.1:9")
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9\)$") as caught:
        download("http://localhost:1/x", part(DATA), tmp_path / "x", "x", lambda *_: None)
    assert "s3cret" not in str(caught.value)
    monkeypatch.setenv("no_proxy", "localhost")
    with pytest.raises(ModelError) as caught:
        download("http://localhost:1/x", part(DATA), tmp_path / "x", "x", lambda *_: None)
    assert "proxy" not in str(caught.value)


def certificate(folder):
    """A key and a certificate by itself, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(pem, form, serialization.NoEncryption())
    (folder / "tls.pem").write_bytes(secret + made.sign(key, hashes.SHA256()).public_bytes(pem))
    return folder / "tls.pem"


def test_an_untrusted_certificate_is_reported(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    with accepting(lambda connection: context.wrap_socket(connection, server_side=True).close()) as port:
        url = f"https://127.0.0.1:{port}/x"
        with pytest.raises(ModelError, match=r"/x: its certificate isn't trusted \(self.signed certificate"):
            download(url, part(DATA), tmp_path / "x", "x", lambda *_: None)
