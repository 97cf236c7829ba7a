"""The processes of one machine: which there are, and what each is told."""

from __future__ import annotations

import os
from collections.abc import Callable

from core.config import Config
from core.redis_server import PrivateRedis
from core.starting import SetupProblem
from core.supervisor import Child, port_is_free, python_command


def children_of(config: Config, nodes: int, say: Callable[[str], None]) -> list[Child]:
    """The processes of one machine. Several web nodes have a port each, upwards from the first, and
    a Redis between them: a private one where none is configured. Raises SetupProblem.
    """
    environment = {**os.environ, "ZHENJIAN_RELAY": "false"}
    ports = range(config.port, config.port + nodes)
    children = []
    if nodes > 1:
        taken = [port for port in ports if not port_is_free(config.host, port)]
        taken += {config.sandbox_port, config.media_control_port} & set(ports)
        if taken:
            raise SetupProblem(
                f"{nodes} nodes need the ports {ports[0]} to {ports[-1]}, and {taken[0]} is taken: "
                "set ZHENJIAN_PORT."
            )
        if config.redis_url is None:
            redis = PrivateRedis.prepare(config.data_dir)
            children.append(Child("redis", redis.command, os.environ))
            environment["ZHENJIAN_REDIS_URL"] = redis.url
        say(" ".join(["Nodes on the ports", *map(str, ports)]))
    children.append(Child("media", python_command("media"), environment))
    for number, port in enumerate(ports, start=1):
        own = {**environment, "ZHENJIAN_PORT": str(port)}
        children.append(Child(f"web-{number}" if nodes > 1 else "web", python_command("web"), own))
    return [*children, Child("worker", python_command("worker"), environment)]
