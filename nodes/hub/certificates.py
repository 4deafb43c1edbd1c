"""An authority of one's own: certificates for a broker, a hub and devices on the user's network."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nodes.hub.errors import HubError
from nodes.hub.files import write_private

AUTHORITY_DAYS: Final = 3650
CERTIFICATE_DAYS: Final = 365
SKEW: Final = timedelta(minutes=5)
"""Certificates begin a little in the past, for clocks that lag."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as PEM files; the key is readable by its owner alone."""

    cert_file: Path
    key_file: Path


def authority(folder: Path, name: str = "Ossicle hub") -> Pair:
    """The authority in a folder, made if there is none."""
    pair = Pair(folder / "ca.crt", folder / "ca.key")
    if not (pair.cert_file.is_file() and pair.key_file.is_file()):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        builder = _begun(subject, subject, key.public_key(), AUTHORITY_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(True, 0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        _store(pair, builder.sign(key, hashes.SHA256()), key)
    return pair


def issue(ca: Pair, folder: Path, name: str, hosts: Sequence[str] = (), days: float = CERTIFICATE_DAYS) -> Pair:
    """A certificate signed by the authority: for a server at `hosts`, or, without any, for a client called `name`.

    Raises:
        HubError: the authority's files cannot be read.
    """
    ca_cert, ca_key = _read(ca)
    key = ec.generate_private_key(ec.SECP256R1())
    use = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = _begun(_name(name), ca_cert.subject, key.public_key(), days)
    builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    _store(pair, builder.sign(ca_key, hashes.SHA256()), key)
    return pair


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: float
) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - SKEW
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(start, start + timedelta(days=days)))
        .not_valid_after(start + SKEW + timedelta(days=days))
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _read(pair: Pair) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        cert = x509.load_pem_x509_certificate(pair.cert_file.read_bytes())
        key = serialization.load_pem_private_key(pair.key_file.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise HubError(
            f"the authority {pair.cert_file} cannot be read ({error})", "its certificate and key in PEM", "Restore them"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise HubError(f"{pair.key_file} is no key of this authority", "a key on a curve", "Restore it")
    return cert, key


def _store(pair: Pair, cert: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    pair.cert_file.parent.mkdir(parents=True, exist_ok=True)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(pair.key_file, text)
    pair.cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
