"""Text messages through an HTTP provider with HMAC-signed JSON requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import orjson

from core.identity.gateway import SmsError, SmsRefused
from core.outside import OutsideClient, OutsideError, OutsideRefused, signed_json

PATH = "/sms/v1/messages"


class HttpSmsGateway:
    """`SmsGateway` on the provider's `POST /sms/v1/messages`.

    A message that got no answer is not sent again by itself: two codes at once confuse people more
    than a button to press once more.
    """

    def __init__(
        self,
        base_url: str,
        key_id: str,
        secret: str,
        now: Callable[[], datetime],
        *,
        signature: str = "诊间",
        timeout: float = 5.0,
    ) -> None:
        self._http = OutsideClient("sms", base_url, timeout=timeout)
        self._key_id = key_id
        self._secret = secret
        self._now = now
        self._signature = signature

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(self, phone: str, template: str, parameters: dict[str, str]) -> None:
        """Hand one message to the provider. Raises SmsError when it was not taken."""
        await self._send(phone, template, parameters, "")

    async def send_once(
        self, phone: str, template: str, parameters: Mapping[str, str], message_id: str
    ) -> str:
        """Hand over a message under an id of ours: the provider sends each id once.

        Returns the provider's id. Raises SmsRefused when it says no, SmsError without an answer.
        """
        return await self._send(phone, template, parameters, message_id)

    async def _send(
        self, phone: str, template: str, parameters: Mapping[str, str], message_id: str
    ) -> str:
        content = {
            "phone": phone,
            "sign_name": self._signature,
            "template": template,
            "params": parameters,
        }
        if message_id:
            content["out_id"] = message_id
        body = orjson.dumps(content)
        timestamp = int(self._now().timestamp())
        headers = signed_json("X-Sms", self._key_id, self._secret, "POST", PATH, body, timestamp)
        try:
            reply = await self._http.call("POST", PATH, headers=headers, body=body)
            answer = reply.json("sms")
            if reply.status >= 400 or answer.get("code") != "OK":
                code, message = str(answer.get("code", "")), str(answer.get("message", ""))
                raise OutsideRefused("sms", reply.status, code, message)
        except OutsideRefused as error:
            raise SmsRefused(error.code, str(error)) from error
        except OutsideError as error:
            raise SmsError(str(error)) from error
        return str(answer.get("message_id", ""))
