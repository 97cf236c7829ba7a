"""Client of Zhenjian for bots, tests, load tests and integrators. Speaks only the wire protocol.

    async with HttpClient("http://127.0.0.1:8000") as http:
        await http.login_password("doctor1", "…", device="bot-1")
        async with RoomClient(http.url, http.token, device="bot-1", refresh=http.refresh) as client:
            room = await client.join(room_id)
            await room.send_text("您好")
            async for message in room.stream():
                print(message["seq"], message["body"])

`RoomClient` delivers every message of a room once and in order, resumes after any interruption
where it was, and keeps what it could not send yet.
"""

from zhenjian_client.errors import (
    ApiError,
    ClientError,
    ConnectionLost,
    Refused,
    RequestFailed,
)
from zhenjian_client.http_client import HttpClient
from zhenjian_client.log import RoomLog
from zhenjian_client.outbox import FileStorage, Outgoing, Sent, Storage
from zhenjian_client.room import JoinedRoom
from zhenjian_client.room_client import RoomClient
from zhenjian_client.socket import Socket

__all__ = [
    "ApiError",
    "ClientError",
    "ConnectionLost",
    "FileStorage",
    "HttpClient",
    "JoinedRoom",
    "Outgoing",
    "Refused",
    "RequestFailed",
    "RoomClient",
    "RoomLog",
    "Sent",
    "Socket",
    "Storage",
]
