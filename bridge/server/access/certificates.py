"""The daemon's certificates: a local certificate authority, a leaf that it renews, or the user's own files.

Keys are ECDSA with P-256, which every engine's TLS library supports. The authority may only certify names of
this machine and of private networks (RFC 5280 §4.2.1.10), so trusting it exposes no other site.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from accel.atomic_file import make_private_folder
from accel.text import text
from bridge.core.errors import UserError
from bridge.core.settings import Settings
from bridge.paths import Paths, write_private

AUTHORITY_DAYS = 3650
LEAF_DAYS = 397
"""Lifetime of a leaf; Apple's systems refuse longer ones."""
RENEWAL_SHARE = 1 / 3
"""A leaf is renewed when this share of its lifetime is left."""
SKEW = datetime.timedelta(days=1)
"""Certificates are valid from this long ago: clocks of other machines may be behind."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

CA_FILE, CA_KEY_FILE, LEAF_FILE = "ca.pem", "ca-key.pem", "server.pem"

LOOPBACK = ("localhost", "127.0.0.1", "::1")
PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
"""What the authority may certify besides its names: loopback, and RFC 1918, 3927, 6598, 4193 and 4291."""


class Leaf(Struct, frozen=True):
    """The certificate that the daemon shows, and what its clients need to know of it."""

    file: Path
    """PEM file with the certificate, and any issuers after it."""
    key_file: Path
    """PEM file of its private key; may be the same file."""
    names: tuple[str, ...]
    """Host names and addresses that it is valid for; names may begin with `*.`."""
    fingerprint: str
    """SHA-256 of its DER in lower-case hex."""
    not_before: datetime.datetime
    not_after: datetime.datetime
    ca: str
    """PEM of the certificate to trust: the authority, the last issuer in the file, or the leaf itself."""
    is_local: bool
    """Whether `popbridge certs init` made it, so that the daemon may renew it."""

    def needs_renewal(self, now: datetime.datetime) -> bool:
        """Whether too little of its lifetime is left; aware of time zones."""
        return self.not_after - now < (self.not_after - self.not_before) * RENEWAL_SHARE

    def covers(self, host: str) -> bool:
        """Whether it is valid for a host name or an address (RFC 6125 §6.4)."""
        host = host.strip("[]").rstrip(".").lower()
        return any(host == name or _matches(host, name) for name in self.names)


def _matches(host: str, name: str) -> bool:
    return name.startswith("*.") and host.partition(".")[2] == name[2:]


def load(settings: Settings, paths: Paths) -> Leaf:
    """Returns the certificate that the settings name. Raises UserError if there is none, or it is invalid."""
    own, key = settings["tls_certificate"], settings["tls_key"]
    if own:
        file = Path(own).expanduser()
        return read(file, Path(key).expanduser() if key else file)
    if key:
        raise UserError(text("`tls_key` is set without `tls_certificate`. Set both, or neither."))
    return read_local(paths.certificates)


def read_local(folder: Path) -> Leaf:
    """Returns the leaf of `popbridge certs init`. Raises UserError if there is none."""
    file = folder / LEAF_FILE
    if not file.exists():
        raise UserError(
            text("There is no certificate in {folder}. Make one with `popbridge certs init`.", folder=folder)
        )
    return read(file, file, folder / CA_FILE)


def read(file: Path, key_file: Path, ca_file: Path | None = None) -> Leaf:
    """Reads a certificate; `ca_file` is that of the local authority. Raises UserError."""
    try:
        chain = x509.load_pem_x509_certificates(file.read_bytes())
        ca = chain[-1] if ca_file is None else x509.load_pem_x509_certificate(ca_file.read_bytes())
        # An unreadable key would only be noticed at the first connection.
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition(":")[0].partition(",")[0]
        raise UserError(
            text(
                "Can't use the certificate {file} with the key {key} ({reason}). Both must be PEM files, the "
                "key without a password.",
                file=file,
                key=key_file,
                reason=reason,
            )
        ) from None
    leaf = chain[0]
    if key.public_key() != leaf.public_key():
        raise UserError(
            text("The key {key} doesn't belong to the certificate {file}.", key=key_file, file=file)
        )
    return Leaf(
        file=file,
        key_file=key_file,
        names=_names(leaf),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        ca=ca.public_bytes(Encoding.PEM).decode(),
        is_local=ca_file is not None,
    )


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    found = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    return tuple(_unique([*found, *map(str, names.get_values_for_type(x509.IPAddress))]))


def checked(folder: Path, names: Iterable[str], *, force: bool) -> list[str]:
    """Returns `names` as a certificate has them. Raises UserError where `create` does."""
    if (folder / CA_FILE).exists() and not force:
        raise UserError(
            text(
                "{folder} has a certificate already. `popbridge certs renew` renews it; `--force` makes "
                "another authority, which has to be trusted anew.",
                folder=folder,
            )
        )
    return [*map(checked_name, names)]


def create(folder: Path, names: Iterable[str] = (), *, force: bool = False) -> Leaf:
    """Makes a local authority and a leaf for this machine's names and addresses, and for `names`.

    Raises UserError if there is an authority, unless `force`, or for an invalid name; OSError.
    """
    wanted = _unique([*LOOPBACK, *machine_names(), *checked(folder, names, force=force)])
    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "PopBridge"),
            # Other machines may trust several, which their lists show by this name.
            x509.NameAttribute(NameOID.COMMON_NAME, f"PopBridge local CA ({_host()[:32]})"),
        ]
    )
    public = key.public_key()
    ca = (
        _builder(own, own, public, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        # Not critical, though RFC 5280 demands it: mbed TLS, which some engines use, refuses critical
        # extensions that it doesn't know. Other libraries enforce it all the same.
        .add_extension(_constraints(wanted), critical=False)
        .sign(key, hashes.SHA256())
    )
    # It may be the first in the data folder; `parents` sets no modes.
    make_private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.name == "posix":
        folder.chmod(0o700)
    write_private(folder / CA_KEY_FILE, _pem(key))
    write_private(folder / CA_FILE, ca.public_bytes(Encoding.PEM))
    return _sign(folder, ca, key, wanted)


def renew(folder: Path, names: Iterable[str] = ()) -> Leaf:
    """Makes another leaf, for the names of the present one and `names`.

    Raises UserError if the authority is missing, damaged, expired, or may not certify a name; OSError.
    """
    try:
        ca = x509.load_pem_x509_certificate((folder / CA_FILE).read_bytes())
        key = serialization.load_pem_private_key((folder / CA_KEY_FILE).read_bytes(), None)
        permitted = ca.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    except FileNotFoundError as error:
        raise UserError(
            text(
                "Can't renew the certificate: {file} is missing. Make it anew with `popbridge certs init "
                "--force`.",
                file=error.filename,
            )
        ) from None
    except (ValueError, TypeError, x509.ExtensionNotFound):
        raise UserError(
            text(
                "Can't renew the certificate: the files in {folder} are damaged. Make them anew with "
                "`popbridge certs init --force`.",
                folder=folder,
            )
        ) from None
    if ca.not_valid_after_utc < _now():
        raise UserError(
            text("The authority in {folder} has expired. Run `popbridge certs init --force`.", folder=folder)
        )
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    try:
        present = _names(x509.load_pem_x509_certificate((folder / LEAF_FILE).read_bytes()))
    except (FileNotFoundError, ValueError):
        # Missing or damaged: the authority was made for the same names.
        present = tuple(subtree.value for subtree in permitted if isinstance(subtree, x509.DNSName))
    wanted = _unique([*LOOPBACK, *map(checked_name, names), *present])
    for name in wanted:
        if not any(_permits(subtree, name) for subtree in permitted):
            raise UserError(
                text(
                    "The authority in {folder} may not certify {name}. Run `popbridge certs init --force "
                    "--name {name}`, then trust the new authority.",
                    folder=folder,
                    name=name,
                )
            )
    return _sign(folder, ca, key, wanted)


def _sign(
    folder: Path, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, names: Sequence[str]
) -> Leaf:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PopBridge daemon")])
    public = key.public_key()
    leaf = (
        _builder(subject, ca.subject, public, LEAF_DAYS, ca.not_valid_after_utc)
        .add_extension(_alternative_names(names, ca), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    # One file: a daemon that reads it meanwhile never sees a key with another certificate.
    write_private(folder / LEAF_FILE, _pem(key) + leaf.public_bytes(Encoding.PEM))
    return read_local(folder)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    days: int,
    latest: datetime.datetime | None = None,
) -> x509.CertificateBuilder:
    begin = _now() - SKEW
    end = begin + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end if latest is None else min(end, latest))
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _constraints(names: Iterable[str]) -> x509.NameConstraints:
    permitted: list[x509.GeneralName] = []
    for name in names:
        address = _address(name)
        if ":" not in name:
            permitted.append(x509.DNSName(name.removeprefix("*.")))
        if address is not None and not _is_private(address):
            permitted.append(x509.IPAddress(ipaddress.ip_network(address)))
    permitted += [x509.IPAddress(network) for network in PRIVATE_NETWORKS]
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None)


def _permits(subtree: x509.GeneralName, name: str) -> bool:
    """Whether a permitted subtree contains a name (RFC 5280 §4.2.1.10)."""
    address = _address(name)
    if isinstance(subtree, x509.IPAddress):
        network = subtree.value
        assert isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network)
        return address is not None and address in network
    name = name.removeprefix("*.")
    return ":" not in name and (name == subtree.value or name.endswith(f".{subtree.value}"))


def checked_name(name: str) -> str:
    """Returns a host name or an address as certificates have it. Raises UserError."""
    bare = name.strip().strip("[]").rstrip(".").lower()
    if _address(bare) is not None:
        return str(_address(bare))
    try:
        ascii_name = bare.encode("idna").decode() if not bare.isascii() else bare
        labels = ascii_name.removeprefix("*.").split(".")
        valid = all(label and label.replace("-", "").replace("_", "").isalnum() for label in labels)
        if not valid or len(ascii_name) > 253:
            raise ValueError(name)
    except ValueError:
        raise UserError(
            text("{name} is neither a host name nor an address. Give it as in build.local.", name=repr(name))
        ) from None
    return ascii_name


def machine_names() -> list[str]:
    """Returns the machine's host name, as it is and in multicast DNS, and its private addresses."""
    import psutil

    host = _host()
    names = [host, f"{host.partition('.')[0]}.local"] if host else []
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            # A link-local address has its interface after the percent sign, and is valid there only.
            address = _address(one.address) if one.family in (socket.AF_INET, socket.AF_INET6) else None
            if address is not None and not address.is_link_local and _is_private(address):
                names.append(str(address))
    return names


def _host() -> str:
    try:
        return checked_name(socket.gethostname())
    except UserError:
        return ""


def _is_private(address: Address) -> bool:
    return any(address in network for network in PRIVATE_NETWORKS)


def _address(name: str) -> Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _alternative_names(names: Iterable[str], ca: x509.Certificate) -> x509.SubjectAlternativeName:
    """Returns names as a certificate of the authority has them.

    IPv4 addresses are host names as well, where the authority may certify that: mbed TLS 2, which some
    engines use, compares no addresses.
    """
    constraints = ca.extensions.get_extension_for_class(x509.NameConstraints).value
    hosts = [each for each in constraints.permitted_subtrees or () if isinstance(each, x509.DNSName)]
    found: list[x509.GeneralName] = []
    for name in names:
        if any(_permits(host, name) for host in hosts):
            found.append(x509.DNSName(name))
        if (address := _address(name)) is not None:
            found.append(x509.IPAddress(address))
    return x509.SubjectAlternativeName(found)


def _unique(names: Iterable[str]) -> list[str]:
    return [*dict.fromkeys(names)]


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
