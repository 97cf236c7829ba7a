"""Speech recognition in the manner of Tencent Cloud: recorded files, signed with TC3-HMAC-SHA256.

It hears nothing: it says a consultation's usual sentences, as many as the sound is long.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clinical.sandbox import keys
from clinical.sandbox.world import SIGNATURE_WINDOW_SECONDS, World, world_of

SENTENCES = (
    "您好，最近感觉怎么样？",
    "早上起来有点头晕，血压一百四十八。",
    "药是按时吃的吗？",
    "前天忘了一次，其他都按时吃了。",
    "请继续服药，一周后再复查。",
)
SENTENCE_MS = 4000
LARGEST = 5 * 1024 * 1024
#: Sound of 32 kbit/s, as it is sent.
BYTES_A_SECOND = 4000
_AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=([^/]+)/(\d{4}-\d\d-\d\d)/asr/tc3_request, "
    r"SignedHeaders=content-type;host, Signature=([0-9a-f]{64})"
)


async def recognise(request: Request) -> Response:
    """`CreateRecTask` and `DescribeTaskStatus`; errors come with status 200, as there."""
    world = world_of(request)
    body = await request.body()
    mode = world.faults.take("speech")
    if (down := await world.disturb(mode)) is not None:
        world.note("speech", "故障：没有正常应答", fault=mode)
        return down
    if (problem := _refusal(world, request, body)) is not None:
        world.note("speech", "拒绝：签名校验未通过", code=problem)
        return _error(problem, "The provided credentials could not be validated.")
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return _error("InvalidParameter", "The body is no JSON object.")
    match request.headers.get("x-tc-action"):
        case "CreateRecTask":
            return _create(world, content, mode)
        case "DescribeTaskStatus":
            return _describe(world, content)
    return _error("InvalidAction", "The action is unknown.")


def _create(world: World, content: dict[str, Any], mode: str) -> Response:
    needed = ("EngineModelType", "ChannelNum", "ResTextFormat", "SourceType", "Data", "DataLen")
    missing = [name for name in needed if name not in content]
    if missing:
        return _error("MissingParameter", f"missing {missing[0]}")
    try:
        data = base64.b64decode(content["Data"], validate=True)
    except (binascii.Error, TypeError):
        return _error("InvalidParameterValue", "Data is no Base64.")
    if len(data) != content["DataLen"] or len(content["Data"]) > LARGEST:
        return _error("InvalidParameterValue", "The data is too large or of another length.")
    number = 1_000_000 + world.store.count("speech_task")
    sentences = max(1, round(len(data) / BYTES_A_SECOND * 1000 / SENTENCE_MS))
    task = {"sentences": sentences, "asked": 0, "fail": mode == "failed"}
    world.store.put("speech_task", str(number), task)
    world.note("speech", "新建录音识别任务", task=number, size=len(data))
    return _answer({"Data": {"TaskId": number}})


def _describe(world: World, content: dict[str, Any]) -> Response:
    number = str(content.get("TaskId"))
    task = world.store.get("speech_task", number)
    if task is None:
        return _error("FailedOperation.NoSuchTask", "There is no such task.")
    asked = int(task["asked"])
    world.store.put("speech_task", number, {**task, "asked": asked + 1})
    data: dict[str, Any] = {"TaskId": int(number), "ErrorMsg": "", "Result": ""}
    if asked == 0:
        return _answer({"Data": {**data, "Status": 1, "StatusStr": "doing", "ResultDetail": None}})
    if task["fail"]:
        problem = {"Status": 3, "StatusStr": "failed", "ErrorMsg": "Failed to decode the audio."}
        return _answer({"Data": {**data, **problem, "ResultDetail": None}})
    detail = [
        {
            "FinalSentence": SENTENCES[index % len(SENTENCES)],
            "StartMs": index * SENTENCE_MS + 200,
            "EndMs": (index + 1) * SENTENCE_MS - 200,
            "SpeakerId": 0,
        }
        for index in range(int(task["sentences"]))
    ]
    done = {"Status": 2, "StatusStr": "success", "ResultDetail": detail}
    return _answer({"Data": {**data, **done}})


def _refusal(world: World, request: Request, body: bytes) -> str | None:
    """Why a request is refused, or None."""
    given = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    stamp = request.headers.get("x-tc-timestamp", "")
    if given is None or not stamp.isascii() or not stamp.isdigit():
        return "AuthFailure.InvalidAuthorization"
    if request.headers.get("x-tc-version") != "2019-06-14":
        return "InvalidParameterValue"
    if given[1] != keys.KEY_ID:
        return "AuthFailure.SecretIdNotFound"
    if abs(world.now().timestamp() - int(stamp)) > SIGNATURE_WINDOW_SECONDS:
        return "AuthFailure.SignatureExpire"
    day = datetime.fromtimestamp(int(stamp), UTC).strftime("%Y-%m-%d")
    kind, host = request.headers.get("content-type", ""), request.headers.get("host", "")
    canonical = (
        f"POST\n/\n\ncontent-type:{kind}\nhost:{host}\n\ncontent-type;host\n"
        + hashlib.sha256(body).hexdigest()
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"TC3-HMAC-SHA256\n{stamp}\n{given[2]}/asr/tc3_request\n{digest}"
    key = ("TC3" + world.keys.secrets.speech_secret).encode()
    for step in (given[2], "asr", "tc3_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    right = hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), given[3])
    return None if right and given[2] == day else "AuthFailure.SignatureFailure"


def _answer(content: dict[str, Any]) -> Response:
    return JSONResponse({"Response": {**content, "RequestId": "simulated"}})


def _error(code: str, message: str) -> Response:
    return _answer({"Error": {"Code": code, "Message": message}})


routes = [Route("/tencent-asr/", recognise, methods=["POST"])]
