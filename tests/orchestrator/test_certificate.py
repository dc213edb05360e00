"""`igentai cert` and the TLS between machines: what is made, what is kept, and who is let in with it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from igentai.errors import ConfigurationError
from igentai_orchestrator.certificate import DAYS, issue, local_names
from igentai_orchestrator.commands.producer import tls_of_producer
from igentai_orchestrator.key_files import read_secret
from igentai_orchestrator.settings import load
from igentai_orchestrator.tls import TlsFiles, check_expiry, client_context, is_loopback, server_context, tls_files


def files(folder: Path, end: str) -> TlsFiles:
    return TlsFiles(folder / end / "ca.pem", folder / end / "cert.pem", folder / end / "key.pem")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def leaf(folder: Path, end: str = "orchestrator") -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / end / "cert.pem").read_bytes())


async def greeting(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "127.0.0.1") -> bytes:
    """What a client gets from a server that says one word; raises what either end raises."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)  # the other end's complaint
    listening = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
            try:
                return await reader.read()  # in TLS 1.3 a client learns here that its certificate was refused
            finally:
                writer.transport.abort()
    finally:
        listening.close()


async def lets_in(server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
    """Whether the server takes the client's certificate: the client, which trusts the server, may just be cut off."""
    try:
        return await greeting(server, client) == b"hello"
    except (ssl.SSLError, ConnectionError):
        return False


async def test_the_two_ends_trust_each_other(tmp_path: Path) -> None:
    issue(tmp_path, ["orchestrator.example"])
    server, client = server_context(files(tmp_path, "orchestrator")), client_context(files(tmp_path, "producer"))
    assert await greeting(server, client) == b"hello"
    assert await greeting(server, client, "orchestrator.example") == b"hello"
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        await greeting(server, client, "another.example")


async def test_a_stranger_is_refused_on_either_end(tmp_path: Path) -> None:
    issue(tmp_path / "ours", [])
    issue(tmp_path / "theirs", [])
    server, client = (
        server_context(files(tmp_path / "ours", "orchestrator")),
        client_context(files(tmp_path / "ours", "producer")),
    )
    with pytest.raises(ssl.SSLCertVerificationError):
        await greeting(server, client_context(files(tmp_path / "theirs", "producer")))
    with pytest.raises(ssl.SSLCertVerificationError):
        await greeting(server_context(files(tmp_path / "theirs", "orchestrator")), client)
    knows_us_but_is_not_known = client_context(files(tmp_path / "theirs", "producer"))
    knows_us_but_is_not_known.load_verify_locations(tmp_path / "ours" / "producer" / "ca.pem")
    assert not await lets_in(server, knows_us_but_is_not_known)
    without = ssl.create_default_context(cafile=str(tmp_path / "ours" / "producer" / "ca.pem"))
    assert not await lets_in(server, without)
    assert await lets_in(server, client)


async def test_the_files_of_one_end_are_no_use_as_the_other(tmp_path: Path) -> None:
    issue(tmp_path, [])
    posing, client = server_context(files(tmp_path, "producer")), client_context(files(tmp_path, "producer"))
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        await greeting(posing, client)
    server = server_context(files(tmp_path, "orchestrator"))
    assert not await lets_in(server, client_context(files(tmp_path, "orchestrator")))
    assert await lets_in(server, client)


def test_everything_is_its_owners_alone_and_the_secret_is_the_same(tmp_path: Path) -> None:
    made = issue(tmp_path / "certs", ["192.0.2.7", "here.example"])
    assert sorted(made.written) == sorted(path for path in (tmp_path / "certs").rglob("*") if path.is_file())
    assert {path.stat().st_mode & 0o777 for path in made.written} == {0o600}
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "certs").glob("**/") if p.is_dir()} == {0o700}
    ours, theirs = (read_secret(tmp_path / "certs" / end / "secret") for end in ("orchestrator", "producer"))
    assert ours == theirs
    assert len(ours) == 32
    assert set(made.names) == {"192.0.2.7", "here.example", "localhost", "127.0.0.1", "::1"}
    assert not (tmp_path / "certs" / "producer" / "ca.key").exists(), "no machine of a producer can sign"


def test_what_is_there_is_kept_and_what_is_missing_is_made(tmp_path: Path) -> None:
    issue(tmp_path, ["here.example"])
    before = contents(tmp_path)
    assert issue(tmp_path, []).written == ()
    assert contents(tmp_path) == before
    (tmp_path / "producer" / "secret").unlink()
    assert issue(tmp_path, ["here.example"]).written == (tmp_path / "producer" / "secret",)
    assert contents(tmp_path) == before


def test_renewed_certificates_have_the_same_authority_names_and_secret(tmp_path: Path) -> None:
    issue(tmp_path, ["here.example"])
    before, number = contents(tmp_path), leaf(tmp_path).serial_number
    made = issue(tmp_path, [], renew=True)
    after = contents(tmp_path)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"{end}/{name}.pem" for end in ("orchestrator", "producer") for name in ("cert", "key")}
    assert "here.example" in made.names
    assert leaf(tmp_path).serial_number != number
    assert "there.example" in issue(tmp_path, ["there.example"], renew=True).names


@pytest.mark.parametrize("host", ["", "a:b", "http://x", "a/b"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigurationError, match="neither a name nor an address"):
        issue(tmp_path, [host])


def test_other_names_need_a_renewal(tmp_path: Path) -> None:
    issue(tmp_path, ["here.example"])
    with pytest.raises(ConfigurationError, match="--renew"):
        issue(tmp_path, ["there.example"])


@pytest.mark.parametrize(("lost", "named"), [("ca.key", "ca.key"), ("orchestrator/ca.pem", "ca.pem")])
def test_half_an_authority_is_not_made_anew(tmp_path: Path, lost: str, named: str) -> None:
    issue(tmp_path, [])
    (tmp_path / lost).unlink()
    with pytest.raises(ConfigurationError, match=f"{named} is missing"):
        issue(tmp_path, [])


def test_the_key_of_another_authority_is_refused(tmp_path: Path) -> None:
    issue(tmp_path / "a", [])
    issue(tmp_path / "b", [])
    (tmp_path / "a" / "ca.key").write_bytes((tmp_path / "b" / "ca.key").read_bytes())
    with pytest.raises(ConfigurationError, match="is not the key of"):
        issue(tmp_path / "a", [])


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="--folder"):
        issue(tmp_path / "file" / "certs", [])


def test_the_end_is_warned_of_a_month_before_and_refused_after(tmp_path: Path) -> None:
    issue(tmp_path, [], now=datetime(2030, 1, 1, tzinfo=UTC))
    path, ends = tmp_path / "orchestrator" / "cert.pem", datetime(2030, 1, 1, tzinfo=UTC) + timedelta(days=DAYS)
    assert check_expiry(path, ends - timedelta(days=31)) is None
    assert check_expiry(path, ends - timedelta(days=29)) == ends
    with pytest.raises(ConfigurationError, match="--renew"):
        check_expiry(path, ends)


def test_all_three_files_or_none(tmp_path: Path) -> None:
    assert tls_files(None, None, None) is None
    with pytest.raises(ConfigurationError, match="producer_ca, producer_key is not set"):
        tls_files(None, tmp_path / "cert.pem", None)


@pytest.mark.parametrize("broken", ["ca.pem", "cert.pem", "key.pem"])
def test_a_file_that_is_missing_or_wrong_is_named(tmp_path: Path, broken: str) -> None:
    issue(tmp_path, [])
    path = tmp_path / "producer" / broken
    path.write_text("nothing\n")
    with pytest.raises(ConfigurationError, match=broken):
        client_context(files(tmp_path, "producer"))
    path.unlink()
    with pytest.raises(ConfigurationError, match=f"{broken} cannot be read"):
        client_context(files(tmp_path, "producer"))


def test_a_key_with_a_password_is_not_asked_for(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    issue(tmp_path, [])
    path = tmp_path / "producer" / "key.pem"
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    with pytest.raises(ConfigurationError, match="certificate and its key"):
        client_context(files(tmp_path, "producer"))


@pytest.mark.parametrize("address", ["127.0.0.1:9", "[::1]:9", "localhost:9", "127.8.8.8:9"])
def test_a_producer_on_this_machine_needs_no_certificate(address: str) -> None:
    assert tls_of_producer(address, load()) is None


@pytest.mark.parametrize("address", ["192.0.2.7:9", "[2001:db8::1]:9", "orchestrator.example:9", "127.0.0.1.example:9"])
def test_a_producer_elsewhere_does(address: str) -> None:
    with pytest.raises(ConfigurationError, match="igentai cert"):
        tls_of_producer(address, load())


def test_everywhere_is_not_loopback() -> None:
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("::")


def test_the_own_names_begin_with_the_host_name() -> None:
    assert local_names()[0] == socket.gethostname()
