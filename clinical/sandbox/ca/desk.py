"""The doors: requests, renewals, revocations as signed JSON; CRL, OCSP and timestamps."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from asn1crypto import csr as asn1_csr
from asn1crypto import ocsp, tsp
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clinical.sandbox.ca import answers
from clinical.sandbox.ca.authority import CHAINS, DAYS, Authority
from clinical.sandbox.ca.building import REASONS, revocation_list
from clinical.sandbox.ca.signers import SM3, verifies
from clinical.sandbox.store import Document
from clinical.sandbox.vendors import id_number_is_sound
from clinical.sandbox.world import World, mask_name, refuse, world_of

CRL_HOURS = 12
_BROKEN = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


def authority_of(world: World) -> Authority:
    """The world's authority, made when it is needed first."""
    if world.authority is None:
        world.authority = Authority(world.config.folder, world.store, world.config.url, world.now())
    assert isinstance(world.authority, Authority)
    return world.authority


class Refusal(Exception):
    """The authority says no."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.answer = refuse(status, code, message)


Work = Callable[[World, Authority, dict[str, Any], str], Document]


def _door(title: str, work: Work) -> Any:
    async def endpoint(request: Request) -> Response:
        world, body = world_of(request), await request.body()
        mode = world.faults.take("ca")
        if (down := await world.disturb(mode)) is not None:
            world.note("ca", "故障：没有正常应答", fault=mode)
            return down
        problem = world.check_hmac(request, "X-Ca", world.keys.secrets.ca_secret, body)
        if problem is not None:
            world.note("ca", "拒绝：签名校验未通过", code=problem)
            return refuse(401, problem, "签名校验未通过")
        try:
            content = json.loads(body)
            if not isinstance(content, dict):
                return refuse(400, "BODY_INVALID", "请求体不是 JSON 对象")
            record = work(world, authority_of(world), content, mode)
        except Refusal as refusal:
            world.note("ca", f"{title}：拒绝", code=str(refusal))
            return refusal.answer
        except (ValueError, KeyError) as error:
            return refuse(400, "PARAM_INVALID", f"参数错误：{error}")
        world.note(
            "ca", title, name=mask_name(record["name"]), serial=record.get("serial"), fault=mode
        )
        if mode == "answer_lost":
            return JSONResponse({"code": "SYSTEM_ERROR", "message": "系统异常"}, status_code=500)
        return JSONResponse(_shown(authority_of(world), record))

    return endpoint


def _shown(authority: Authority, record: Document) -> Document:
    answer = {name: record.get(name) for name in ("reference", "state", "serial", "message")}
    if record.get("certificate"):
        answer["certificate"] = record["certificate"]
        chain = authority.chain_of(record["chain"])
        answer["chain"] = [base64.b64encode(each).decode() for each in chain]
    return answer


# --------------------------------------------------------------------------------- certificates


def ask(world: World, authority: Authority, content: dict[str, Any], mode: str) -> Document:
    """Check who asks and the request, then issue; a known reference gets its first answer."""
    reference, subject = str(content["reference"]), dict(content["subject"])
    known = authority.find(reference)
    if known is not None:
        if known["csr"] != content["csr"]:
            raise Refusal(409, "REFERENCE_TAKEN", "申请编号已用于另一份申请")
        return known
    profile = str(content["profile"])
    if profile not in DAYS:
        raise Refusal(400, "PROFILE_UNKNOWN", "未知的证书类型")
    record = {
        "reference": reference,
        "profile": profile,
        "csr": content["csr"],
        "name": str(subject["name"]),
        "organisation": str(subject.get("organisation") or ""),
        "chain": _request(content["csr"])[1],
        "state": "pending",
        "message": "",
    }
    reason = _refusal(profile, subject, mode)
    if reason:
        record |= {"state": "refused", "message": reason}
    elif mode != "pending":
        _issue(world, authority, record)
    authority.keep(record)
    return record


def query(world: World, authority: Authority, content: dict[str, Any], mode: str) -> Document:
    record = authority.find(str(content["reference"]))
    if record is None:
        raise Refusal(404, "REFERENCE_UNKNOWN", "没有这份申请")
    if record["state"] == "pending" and mode != "pending":
        _issue(world, authority, record)
        authority.keep(record)
    return record


def renew(world: World, authority: Authority, content: dict[str, Any], mode: str) -> Document:
    reference = str(content["reference"])
    known = authority.find(reference)
    if known is not None:
        return known
    old = authority.find_serial(str(content["serial"]))
    if old is None:
        raise Refusal(404, "SERIAL_UNKNOWN", "没有这张证书")
    if old.get("revoked_at"):
        raise Refusal(409, "CERTIFICATE_REVOKED", "证书已注销，不能续期")
    record = {
        **{name: old[name] for name in ("profile", "name", "organisation")},
        "reference": reference,
        "csr": content["csr"],
        "chain": _request(content["csr"])[1],
        "state": "pending",
        "message": "",
    }
    if mode != "pending":
        _issue(world, authority, record)
    authority.keep(record)
    return record


def revoke(world: World, authority: Authority, content: dict[str, Any], mode: str) -> Document:
    record = authority.find_serial(str(content["serial"]))
    if record is None:
        raise Refusal(404, "SERIAL_UNKNOWN", "没有这张证书")
    if content["reason"] not in REASONS:
        raise Refusal(400, "REASON_UNKNOWN", "未知的注销原因")
    if not record.get("revoked_at"):
        record |= {
            "state": "revoked",
            "revoked_at": world.now().isoformat(),
            "reason": content["reason"],
        }
        authority.keep(record)
    # The answer carries the number of this call, the register that of the certificate.
    return {**record, "reference": str(content["reference"])}


def _refusal(profile: str, subject: dict[str, Any], mode: str) -> str:
    if mode == "refused":
        return "身份核验未通过"
    number = str(subject.get("id_number") or "")
    if profile == "person" and not id_number_is_sound(number):
        return "身份证号码不正确"
    if profile == "organisation" and len(number) != 18:
        return "统一社会信用代码不正确"
    return "姓名与证件不一致" if str(subject["name"]).startswith("假") else ""


def _request(text: str) -> tuple[asn1_csr.CertificationRequest, str]:
    """The PKCS#10 request and the chain for its kind of key; its signature is checked."""
    try:
        request = asn1_csr.CertificationRequest.load(base64.b64decode(text, validate=True))
        info = request["certification_request_info"]
        public = info["subject_pk_info"]
        chain = verifies(public, bytes(request["signature"].native), info.dump())
    except (binascii.Error, *_BROKEN) as error:
        raise Refusal(400, "CSR_INVALID", "证书请求格式错误") from error
    if chain is None:
        raise Refusal(400, "CSR_SIGNATURE", "证书请求的签名不正确")
    return request, chain


def _issue(world: World, authority: Authority, record: Document) -> None:
    request, chain = _request(record["csr"])
    subject = {"common_name": record["name"]}
    if record["profile"] == "person" and record["organisation"]:
        subject["organizational_unit_name"] = record["organisation"]
    public = request["certification_request_info"]["subject_pk_info"]
    made = authority.issue(chain, record["profile"], subject, public, world.now())
    record |= {
        "state": "issued",
        "serial": f"{made.serial_number:X}",
        "certificate": base64.b64encode(made.dump()).decode(),
        "issued_at": world.now().isoformat(),
    }


# ----------------------------------------------------------------------------------- public doors


async def download(request: Request) -> Response:
    """`GET /ca/certificates/{chain}-{part}.cer`: the authority's own certificates."""
    world = world_of(request)
    chain, part = request.path_params["chain"], request.path_params["part"]
    if chain not in CHAINS or part not in ("root", "issuing", "tsa", "ocsp"):
        return refuse(404, "UNKNOWN", "没有这张证书")
    content = authority_of(world).issuer(chain, part).certificate.dump()
    return Response(content, media_type="application/pkix-cert")


async def crl(request: Request) -> Response:
    """`GET /ca/crl/{chain}-{part}.crl`."""
    world = world_of(request)
    chain, part = request.path_params["chain"], request.path_params["part"]
    if chain not in CHAINS or part not in ("root", "issuing"):
        return refuse(404, "UNKNOWN", "没有这份吊销列表")
    mode = world.faults.take("crl")
    if (down := await world.disturb(mode)) is not None:
        return down
    authority, now = authority_of(world), world.now()
    begin = now - timedelta(days=2) if mode == "stale" else now
    entries = authority.revoked(chain) if part == "issuing" else ()
    end = begin + timedelta(hours=CRL_HOURS)
    content = bytearray(revocation_list(authority.issuer(chain, part), entries, begin, end))
    if mode == "wrong_signature":
        content[-1] ^= 1
    world.note("ca", "下载吊销列表", list=f"{chain}-{part}", fault=mode)
    return Response(bytes(content), media_type="application/pkix-crl")


async def status(request: Request) -> Response:
    """`POST /ca/ocsp`."""
    world, body = world_of(request), await request.body()
    mode = world.faults.take("ocsp")
    if (down := await world.disturb(mode)) is not None:
        return down
    authority, now = authority_of(world), world.now()
    content = answers.ocsp_refusal("malformed_request")
    try:
        question = ocsp.OCSPRequest.load(body)
        asked = question["tbs_request"]["request_list"][0]["req_cert"]
        chain = next((c for c in CHAINS if answers.about(asked, authority.issuer(c))), None)
        if mode == "try_later":
            content = answers.ocsp_refusal("try_later")
        elif chain is None:
            content = answers.ocsp_refusal("unauthorized")
        else:
            content = answers.ocsp_answer(
                question,
                # One chain lets a responder speak for it, the other speaks itself.
                authority.issuer(chain, "ocsp" if chain == "sm2" else "issuing"),
                authority.find_serial,
                now,
                spoiled=mode == "wrong_signature",
                unknown=mode == "unknown",
            )
    except _BROKEN:
        world.note("ca", "OCSP：请求格式错误")
    return Response(content, media_type="application/ocsp-response")


async def timestamp(request: Request) -> Response:
    """`POST /ca/tsa`: SM3 digests are stamped by the SM2 chain, SHA-256 by the RSA chain."""
    world, body = world_of(request), await request.body()
    mode = world.faults.take("tsa")
    if (down := await world.disturb(mode)) is not None:
        return down
    content = answers.timestamp_refusal()
    try:
        question = tsp.TimeStampReq.load(body)
        oid = question["message_imprint"]["hash_algorithm"]["algorithm"].dotted
        if mode != "refused":
            chain = "sm2" if oid == SM3 else "rsa"
            issuer = authority_of(world).issuer(chain, "tsa")
            content = answers.timestamp_answer(question, issuer, world.now(), fault=mode)
    except _BROKEN:
        world.note("ca", "时间戳：请求格式错误")
    return Response(content, media_type="application/timestamp-reply")


routes = [
    Route("/ca/v1/certificates", _door("签发证书", ask), methods=["POST"]),
    Route("/ca/v1/certificates/query", _door("查询申请", query), methods=["POST"]),
    Route("/ca/v1/certificates/renew", _door("证书续期", renew), methods=["POST"]),
    Route("/ca/v1/certificates/revoke", _door("注销证书", revoke), methods=["POST"]),
    Route("/ca/certificates/{chain}-{part}.cer", download, methods=["GET"]),
    Route("/ca/crl/{chain}-{part}.crl", crl, methods=["GET"]),
    Route("/ca/ocsp", status, methods=["POST"]),
    Route("/ca/tsa", timestamp, methods=["POST"]),
]
