"""The page over TLS on the real daemon: which addresses it may have, and who is answered."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import signal
import socket
import ssl
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect

from tests.end_to_end.command import Daemon, daemon, igentai, until

NAMES = ("igentai.test", "localhost")


def make_certificate(folder: Path, name: str = "page", password: bytes | None = None) -> tuple[Path, Path]:
    """A self-signed certificate for NAMES and 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [*map(x509.DNSName, NAMES), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / f"{name}.crt", folder / f"{name}.key"
    cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return cert, secret


def configured(folder: Path, cert: Path, key: Path) -> None:
    (folder / "igentai.toml").write_text(f'page_cert = "{cert}"\npage_key = "{key}"\n')


def served_certificate(port: int) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as raw, context.wrap_socket(raw) as wrapped:
        found = wrapped.getpeercert(binary_form=True)
    assert found is not None
    return found


def port_of(running: Daemon) -> int:
    return int(running.plate()["address"].rpartition(":")[2])


async def test_the_page_over_tls_for_other_machines_and_for_the_commands_here(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    configured(tmp_path, cert, key)
    async with daemon("-n", "1", "-p", "0", "--host", "0.0.0.0", cwd=tmp_path) as running:
        await until(running.plate, 15, "the doorplate")
        port = port_of(running)
        assert f"The page: https://igentai.test:{port}" in running.text()
        assert running.plate()["sign_in"].startswith(f"https://igentai.test:{port}/?token=")
        trust = ssl.create_default_context(cafile=str(cert))
        here = f"https://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=here, verify=trust, trust_env=False) as http:
            signed_in = await http.get(running.plate()["sign_in"].partition(f":{port}")[2])
            assert signed_in.status_code == 303
            assert "Secure" in signed_in.headers["set-cookie"]
            cookie = signed_in.headers["set-cookie"].split(";")[0]
            for host, status in (("igentai.test", 200), ("localhost", 200), ("attacker.example", 403)):
                answer = await http.get("/api/status", headers={"host": f"{host}:{port}", "cookie": cookie})
                assert answer.status_code == status, host
            assert "TLS" not in (await http.get("/api/status", headers={"cookie": cookie})).text
        origin = {"Origin": here, "Cookie": cookie}
        async with connect(f"wss://127.0.0.1:{port}/ws", ssl=trust, additional_headers=origin) as page:
            await page.send('{"watch": null}')
            assert json.loads(await page.recv())["type"] == "snapshot"
        async with httpx.AsyncClient(trust_env=False) as plain:
            with pytest.raises(httpx.HTTPError):
                await plain.get(f"http://127.0.0.1:{port}/healthz")
        shown = await igentai("status", cwd=tmp_path)
        assert (shown.code, "no topic is running" in shown.out) == (0, True), shown.err


async def test_a_renewed_certificate_is_taken_up_and_a_broken_one_is_not(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    configured(tmp_path, cert, key)
    async with daemon("-n", "1", "-p", "0", cwd=tmp_path) as running:
        await until(running.plate, 15, "the doorplate")
        before = await asyncio.to_thread(served_certificate, port_of(running))
        kept = cert.read_bytes()
        make_certificate(tmp_path)
        running.process.send_signal(signal.SIGHUP)
        await until(lambda: served_certificate(port_of(running)) != before, 5, "the new certificate")
        renewed = await asyncio.to_thread(served_certificate, port_of(running))
        cert.write_bytes(kept)  # not of this key
        running.process.send_signal(signal.SIGHUP)
        await until(lambda: "reload_refused" in running.text(), 5, "a word of the refusal")
        assert await asyncio.to_thread(served_certificate, port_of(running)) == renewed


async def test_what_cannot_be_served_safely_is_refused_in_one_line(tmp_path: Path) -> None:
    _, key = make_certificate(tmp_path)
    locked, _ = make_certificate(tmp_path, "locked", b"password")
    for text, flags, said in (
        ("", ["--host", "0.0.0.0"], "page_cert and page_key"),
        (f'page_cert = "{locked}"\npage_key = "{key}"\n', [], "do not belong together"),
    ):
        (tmp_path / "igentai.toml").write_text(text)
        refused = await igentai("orchestrator", "-n", "1", "-p", "0", *flags, cwd=tmp_path, timeout_s=20)
        assert refused.code == 2, (text, refused.err)
        assert said in refused.err
        assert len([line for line in refused.err.strip().split("\n") if line.startswith("igentai:")]) == 1
