"""``nucleus certs``: a certificate authority for a lab, and a certificate for its master.

The authority's certificate (``ca.pem``) goes to everybody who calls the master; its key stays
where it is, and is needed only to vouch for more masters. Elliptic curve P-256 throughout, which
every TLS library has.
"""

import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nucleus.core.errors import InvalidArgument, NucleusError
from nucleus.services.common.options import option

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

LOCAL = ("localhost", "127.0.0.1", "::1")
AUTHORITY_DAYS = 3_650
LEEWAY = timedelta(hours=1)  # for clocks that are behind
PRIVATE, PUBLIC = 0o600, 0o644


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME|IP",
    help="A name or address under which the master is called; repeatable. This machine always is.",
)
@option(
    "--days",
    type=click.IntRange(1, 825),
    default=365,
    help="How long the master's certificate is good for.",
)
def certs(folder: Path, hosts: tuple[str, ...], days: int) -> None:
    """Make an authority and a certificate in DIR, so that gRPC can go over TLS.

    An authority that is there already is used again, and vouches for the new certificate, too.
    Keys are written so that only their owner can read them.

    \b
    Example: a master that others call by the name lab.example.
      nucleus certs certs --host lab.example
      nucleus master --host 0.0.0.0 --tls-cert certs/master.pem --tls-key certs/master.key
      nucleus worker --master lab.example:50051 --tls-ca certs/ca.pem
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority, authority_key = _authority(folder)
        names = tuple(dict.fromkeys((*hosts, *LOCAL)))
        _write_certificate(folder, authority, authority_key, names, days)
    except OSError as error:
        raise NucleusError(f"{error.filename or folder}: {error.strerror}") from None
    click.echo(f"authority    {folder / 'ca.pem'}: for everybody who calls the master (--tls-ca)")
    click.echo(f"             {folder / 'ca.key'}: keep it to yourself")
    click.echo(f"certificate  {folder / 'master.pem'}: for {', '.join(names)} (--tls-cert)")
    click.echo(f"             {folder / 'master.key'}: for the master alone (--tls-key)")


def _authority(folder: Path) -> "tuple[x509.Certificate, EllipticCurvePrivateKey]":
    """Read the authority in ``folder``, or make one."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    if not (folder / "ca.pem").exists():
        return _make_authority(folder)
    try:
        found = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise InvalidArgument(f"the authority in {folder} cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or found.public_key() != key.public_key():
        raise InvalidArgument(f"ca.pem and ca.key in {folder} do not belong together")
    return found, key


def _make_authority(folder: Path) -> "tuple[x509.Certificate, EllipticCurvePrivateKey]":
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = _named("Nucleus lab authority")
    builder = _begin(name, name, key, AUTHORITY_DAYS)
    # It may vouch for servers, but not for other authorities.
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    _write_pair(folder, "ca", certificate, key)
    return certificate, key


def _write_certificate(
    folder: Path,
    authority: "x509.Certificate",
    authority_key: "EllipticCurvePrivateKey",
    names: tuple[str, ...],
    days: int,
) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    builder = _begin(_named("Nucleus master"), authority.subject, key, days)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    signed_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(digital_signature=True), True),
        (usage, False),
        (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
        (signed_by, False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    _write_pair(folder, "master", builder.sign(authority_key, hashes.SHA256()), key)


def _begin(
    subject: "x509.Name", issuer: "x509.Name", key: "EllipticCurvePrivateKey", days: int
) -> "x509.CertificateBuilder":
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LEEWAY)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _named(text: str) -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise InvalidArgument(f"--host {name!r} is no name of a host: {error}") from None


def _usage(**granted: bool) -> "x509.KeyUsage":
    from cryptography import x509

    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
        " key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**(dict.fromkeys(names.split(), False) | granted))


def _write_pair(
    folder: Path, name: str, certificate: "x509.Certificate", key: "EllipticCurvePrivateKey"
) -> None:
    from cryptography.hazmat.primitives import serialization as form

    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    _write(folder / f"{name}.key", private, PRIVATE)
    _write(folder / f"{name}.pem", certificate.public_bytes(form.Encoding.PEM), PUBLIC)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file that nobody ever sees in half, or with more rights than ``mode``."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        out.write(content)
    draft.replace(path)
