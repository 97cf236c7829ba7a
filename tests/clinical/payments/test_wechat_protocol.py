"""Signing, sealing and the bill, checked by other hands: the openssl command and pycryptodome."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from Cryptodome.Cipher import AES
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from clinical.payments import wechat

NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
API_V3_KEY = b"0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def key_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate that openssl itself made."""
    folder = tmp_path_factory.mktemp("openssl")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 9"
    command += " -subj /CN=platform -set_serial 0x5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    command = "openssl x509 -in cert.pem -pubkey -noout"
    made = subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    (folder / "public.pem").write_bytes(made.stdout)
    return folder


def openssl(folder: Path, arguments: str, text: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["openssl", *arguments.split()], cwd=folder, input=text, capture_output=True, check=False
    )


def test_a_request_is_signed_so_that_openssl_verifies_the_published_five_lines(
    key_files: Path,
) -> None:
    key = wechat.load_private_key((key_files / "key.pem").read_bytes())
    body = '{"description":"图文复诊"}'.encode()
    header = wechat.authorization(
        key, "1900009191", "ABCDEF", "POST", "/v3/pay?a=b%20c", 1554208460, "593BEC", body
    )
    scheme, _, rest = header.partition(" ")
    fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    assert scheme == "WECHATPAY2-SHA256-RSA2048"
    assert {name: fields[name] for name in ("mchid", "nonce_str", "timestamp", "serial_no")} == {
        "mchid": "1900009191",
        "nonce_str": "593BEC",
        "timestamp": "1554208460",
        "serial_no": "ABCDEF",
    }
    (key_files / "request.sig").write_bytes(base64.b64decode(fields["signature"]))
    published = b"POST\n/v3/pay?a=b%20c\n1554208460\n593BEC\n" + body + b"\n"
    check = "dgst -sha256 -verify public.pem -signature request.sig"
    assert openssl(key_files, check, published).stdout.strip() == b"Verified OK"
    assert openssl(key_files, check, published + b" ").returncode != 0


def test_a_request_without_a_body_ends_with_an_empty_line() -> None:
    text = wechat.request_text("GET", "/v3/certificates", 1554208460, "N", b"")
    assert text == b"GET\n/v3/certificates\n1554208460\nN\n\n"


def test_what_openssl_signs_over_the_three_lines_is_believed_and_nothing_else(
    key_files: Path,
) -> None:
    serial, key = wechat.load_public_key((key_files / "cert.pem").read_bytes())
    assert serial == "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
    body = '{"data":"好"}'.encode()
    signed = openssl(key_files, "dgst -sha256 -sign key.pem", b"1554209980\nc5ac\n" + body + b"\n")
    signature = base64.b64encode(signed.stdout).decode()
    assert wechat.verify(key, wechat.answer_text("1554209980", "c5ac", body), signature)
    for timestamp, nonce, content in (
        ("1554209981", "c5ac", body),
        ("1554209980", "c5ad", body),
        ("1554209980", "c5ac", body + b"\n"),
    ):
        text = wechat.answer_text(timestamp, nonce, content)
        assert not wechat.verify(key, text, signature)
    assert not wechat.verify(key, b"", "not base64 ***")
    assert not wechat.verify(key, b"", "WECHATPAY/SIGNTEST/" + signature)


def test_a_bare_public_key_serves_every_public_key_serial(key_files: Path) -> None:
    serial, key = wechat.load_public_key((key_files / "public.pem").read_bytes())
    certified = wechat.load_public_key((key_files / "cert.pem").read_bytes())[1]
    assert serial == "PUB_KEY_ID_"
    assert key.public_numbers() == certified.public_numbers()


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN CERTIFICATE-----\nAA\n", b"garbage"])
def test_what_is_no_key_is_refused_by_name(pem: bytes) -> None:
    with pytest.raises(wechat.ProtocolError):
        wechat.load_public_key(pem)
    with pytest.raises(wechat.ProtocolError):
        wechat.load_private_key(pem)


def test_a_key_that_is_not_rsa_is_refused(key_files: Path) -> None:
    made = openssl(key_files, "ecparam -name prime256v1 -genkey -noout", b"").stdout
    with pytest.raises(wechat.ProtocolError):
        wechat.load_private_key(made)


def test_a_resource_sealed_by_pycryptodome_opens_and_a_changed_one_does_not() -> None:
    cipher = AES.new(API_V3_KEY, AES.MODE_GCM, nonce=b"abcdefghijkl")
    cipher.update(b"transaction")
    sealed, tag = cipher.encrypt_and_digest(b'{"total":3000}')
    ciphertext = base64.b64encode(sealed + tag).decode()
    opened = wechat.unseal(API_V3_KEY, "abcdefghijkl", "transaction", ciphertext)
    assert opened == b'{"total":3000}'
    changed = base64.b64encode(bytes([sealed[0] ^ 1]) + sealed[1:] + tag).decode()
    for arguments in (
        (API_V3_KEY, "abcdefghijkl", "refund", ciphertext),
        (API_V3_KEY, "abcdefghijkm", "transaction", ciphertext),
        (API_V3_KEY[::-1], "abcdefghijkl", "transaction", ciphertext),
        (API_V3_KEY, "abcdefghijkl", "transaction", changed),
        (API_V3_KEY, "abcdefghijkl", "transaction", "***"),
        (API_V3_KEY, "", "transaction", ciphertext),
    ):
        with pytest.raises(wechat.ProtocolError):
            wechat.unseal(*arguments)


def test_the_private_key_never_appears_in_a_repr() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    assert pem[100:140].decode() not in repr(wechat.load_private_key(pem))


def headers(**changes: str) -> dict[str, str]:
    given = {
        "Wechatpay-Serial": "S",
        "wechatpay-signature": "sig",
        "WECHATPAY-TIMESTAMP": str(int(NOW.timestamp())),
        "Wechatpay-Nonce": "n",
    }
    return {**given, **changes}


def test_signature_headers_are_found_in_any_letter_case_and_none_may_lack() -> None:
    found = wechat.SignatureHeaders.of(headers())
    assert (found.serial, found.signature, found.nonce) == ("S", "sig", "n")
    for name in headers():
        with pytest.raises(wechat.ProtocolError):
            wechat.SignatureHeaders.of({k: v for k, v in headers().items() if k != name})


@pytest.mark.parametrize(("seconds", "accepted"), [(0, True), (300, True), (-300, True)])
def test_a_callback_within_five_minutes_is_in_time(seconds: int, accepted: bool) -> None:
    wechat.SignatureHeaders.of(headers()).check_time(NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [301, -301, 86400])
def test_a_callback_outside_five_minutes_is_refused(seconds: int) -> None:
    with pytest.raises(wechat.ProtocolError):
        wechat.SignatureHeaders.of(headers()).check_time(NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("value", ["abc", "-5", "1e9", "１２３", "9" * 30])
def test_a_timestamp_that_is_no_number_is_refused(value: str) -> None:
    given = headers(**{"WECHATPAY-TIMESTAMP": value})
    with pytest.raises(wechat.ProtocolError):
        wechat.SignatureHeaders.of(given).check_time(NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"id":"x","event_type":"y","resource":null}',
        b'{"id":"x","event_type":"y","resource":{"algorithm":"AES"}}',
        b'{"id":1,"event_type":"y","resource":{"algorithm":"AEAD_AES_256_GCM"}}',
        json.dumps(
            {
                "id": "x",
                "event_type": "y",
                "resource": {"algorithm": "AEAD_AES_256_GCM", "nonce": 5, "ciphertext": 7},
            }
        ).encode(),
    ],
)
def test_a_callback_of_the_wrong_shape_is_refused_by_name(body: bytes) -> None:
    with pytest.raises(wechat.ProtocolError):
        wechat.open_resource(body, API_V3_KEY)


BILL = (
    "\ufeff交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,"
    "交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,"
    "充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,"
    "费率备注\r\n"
    "`2026-11-20 00:00:01,`wx1,`19,`0,`,`4200001,`order1,`o1,`MWEB,`SUCCESS,`OTHERS,`CNY,`30.00,"
    "`0.00,`0,`0,`0.00,`0.00,`,`,`图文复诊,`,`0.18000,`0.60%,`30.00,`0.00,`\r\n"
    "`2026-11-20 09:30:00,`wx1,`19,`0,`,`4200001,`order1,`o1,`MWEB,`REFUND,`OTHERS,`CNY,`0.00,"
    "`0.00,`5030001,`refund1,`29.99,`0.00,`ORIGINAL,`PROCESSING,`图文复诊,`,`-0.18000,`0.60%,`0.00,"
    "`29.99,`\r\n"
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n"
    "`2,`30.00,`29.99,`0.00,`0.00000,`30.00,`29.99\r\n"
)


def test_a_bill_is_read_by_column_names_into_fen() -> None:
    bill = wechat.parse_bill(BILL.encode())
    paid, refunded = bill.lines
    assert (paid.out_trade_no, paid.amount_fen, paid.refund_fen) == ("order1", 3000, 0)
    assert paid.at == datetime(2026, 11, 19, 16, 0, 1, tzinfo=UTC)
    assert (paid.refund_id, paid.out_refund_no) == ("", "")
    assert (refunded.out_refund_no, refunded.refund_fen) == ("refund1", 2999)
    assert (bill.total_count, bill.total_amount_fen, bill.total_refund_fen) == (2, 3000, 2999)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("`30.00,`0.00,`\r\n", "`30.001,`0.00,`\r\n"),
        ("`30.00,`0.00,`\r\n", "`三十,`0.00,`\r\n"),
        ("`30.00,`0.00,`\r\n", "`Infinity,`0.00,`\r\n"),
        ("`30.00,`0.00,`\r\n", "`31.00,`0.00,`\r\n"),
        ("`2,`30.00", "`3,`30.00"),
        ("`2,`30.00", "`x,`30.00"),
        ("2026-11-20 09:30:00", "yesterday"),
        ("微信订单号", "单号"),
        ("总交易单数", "合计"),
        ("`order1,`o1,`MWEB,`REFUND", "`order1,`MWEB,`REFUND"),
    ],
)
def test_a_bill_that_cannot_be_right_is_refused_by_name(old: str, new: str) -> None:
    assert old in BILL
    with pytest.raises(wechat.ProtocolError):
        wechat.parse_bill(BILL.replace(old, new, 1).encode())


def test_the_hash_of_a_bill_is_that_of_the_unpacked_file() -> None:
    digest = hashlib.sha1(BILL.encode()).hexdigest()
    assert wechat.bill_hash_matches(BILL.encode(), "SHA1", digest.upper())
    assert not wechat.bill_hash_matches(BILL.encode()[:-1], "SHA1", digest)
    assert not wechat.bill_hash_matches(BILL.encode(), "MD5", digest)
