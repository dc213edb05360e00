"""Which names lead to the page, and which certificates it takes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from igentai.errors import ConfigurationError
from igentai_orchestrator.page_names import PageTls, in_address, names_of, page_tls
from tests.end_to_end.test_page_tls import make_certificate


def test_a_certificate_says_its_names(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    assert page_tls(cert, key) == PageTls(cert, key, ("igentai.test", "localhost", "127.0.0.1"))
    assert page_tls(None, None) is None


def test_half_a_certificate_is_refused(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    for wrong in ((cert, None), (None, key)):
        with pytest.raises(ConfigurationError, match="both page_cert and page_key"):
            page_tls(*wrong)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        page_tls(key, cert)


def test_one_address_is_told_first_and_every_name_is_let_in(tmp_path: Path) -> None:
    tls = page_tls(*make_certificate(tmp_path))
    assert names_of("192.0.2.7", tls, ()) == ("192.0.2.7", "igentai.test", "localhost", "127.0.0.1")
    assert names_of("192.0.2.7", None, ("box.example",)) == ("192.0.2.7", "box.example")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_are_told_by_name_and_reached_by_any_of_them(host: str, tmp_path: Path) -> None:
    names = names_of(host, page_tls(*make_certificate(tmp_path)), ())
    assert names[0] == "igentai.test"
    assert {"127.0.0.1", socket.gethostname()} <= set(names)
    assert host not in names
    assert names_of(host, None, ())[0] == socket.gethostname()


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert in_address("::1") == "[::1]"
    assert in_address("127.0.0.1") == "127.0.0.1"
