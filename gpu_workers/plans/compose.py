"""Compose files as parts: services with what they publish, reach and may do. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from gpu_workers.plans.documents import YamlError, documents, listing, mapping
from gpu_workers.plans.parts import Part, host_path_risks, image_risks, secret_risks, short
from gpu_workers.plans.risks import Risk

NAMES = re.compile(r"(?:^|/)(?:docker-)?compose(?:\.[\w-]+)?\.ya?ml\Z")
UP = re.compile(r"\A(?:\.\./)+")
TOP = {"name", "version", "services", "networks", "volumes", "configs", "secrets", "include", "models"}
HOST = ("network_mode", "pid", "ipc", "userns_mode", "uts")
DANGEROUS = {"ALL", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "NET_ADMIN", "DAC_READ_SEARCH", "SYS_RAWIO", "BPF"}


def services(text: str) -> dict[str, Part]:
    """The services of one file by name. Raises YamlError for what is no Compose file."""
    found = documents(text)
    whole = mapping(found[0]) if len(found) == 1 else {}
    given = whole.get("services", {})
    if not whole or not isinstance(given, dict):
        raise YamlError("it is no Compose file: one document with services is")
    if unknown := sorted(name for name in whole if name not in TOP and not name.startswith("x-")):
        raise YamlError(f"Compose knows no {', '.join(unknown)[:200]}")
    for name, service in given.items():
        if not isinstance(service, dict):
            raise YamlError(f"the service {str(name)[:60]!r} is no mapping")
        if not {"image", "build", "extends", "provider"} & set(service):
            raise YamlError(f"the service {str(name)[:60]!r} has neither an image nor a build")
    return {str(name): _service(str(name), mapping(service)) for name, service in given.items()}


def _service(name: str, given: Mapping[str, Any]) -> Part:
    environment = _environment(given.get("environment"))
    volumes = [_volume(one) for one in listing(given.get("volumes"))]
    devices = [_device(one) for one in listing(given.get("devices"))]
    ports = [_port(one) for one in listing(given.get("ports"))]
    capabilities = [str(one).upper().removeprefix("CAP_") for one in listing(given.get("cap_add"))]
    image, build = str(given.get("image", "")), given.get("build")
    deploy = mapping(given.get("deploy"))
    facts = {
        "image": short(image),
        "build": short(build if isinstance(build, str) else mapping(build).get("context", "") if build else ""),
        "command": short(given.get("command", "")),
        "user": short(given.get("user", "")),
        "ports": ", ".join(sorted(ports)),
        "volumes": ", ".join(sorted(f"{short(source)}:{short(target)}" for source, target in volumes)),
        "devices": ", ".join(sorted(map(short, devices))),
        "capabilities": ", ".join(sorted(capabilities)),
        "privileged": "yes" if given.get("privileged") is True else "",
        "replicas": short(deploy.get("replicas", given.get("scale", ""))),
        "networks": ", ".join(sorted(map(str, _names(given.get("networks"))))),
        "needs": ", ".join(sorted(map(str, _names(given.get("depends_on"))))),
        "restart": short(given.get("restart", "")),
        **{kind: "host" for kind in HOST if given.get(kind) == "host"},
    }
    risks = [*image_risks(image, name), *_privileges(name, given, capabilities)]
    for source, _ in volumes:
        risks += _source_risks(source, name)
    risks += [Risk("high", f"may use the device {short(one)} of the host", name) for one in devices]
    for variable, value in environment.items():
        risks += secret_risks(variable, value, name)
    risks += [Risk("medium", f"{port} is open on every address of the host", name) for port in ports if _is_open(port)]
    hashes = {f"environment {variable}": hash(str(value)) for variable, value in environment.items()}
    return Part(name, facts, tuple(risks), hashes)


def _privileges(name: str, given: Mapping[str, Any], capabilities: list[str]) -> list[Risk]:
    found = [
        Risk("high", f"shares the host's {kind.partition('_')[0]}", name) for kind in HOST if given.get(kind) == "host"
    ]
    if given.get("privileged") is True:
        found.append(Risk("high", "is privileged: it owns the host", name))
    found += [Risk("high", f"may {one}", name) for one in capabilities if one in DANGEROUS]
    if any("unconfined" in str(one) for one in listing(given.get("security_opt"))):
        found.append(Risk("high", "runs without the confinement of system calls", name))
    if str(given.get("user", "")).partition(":")[0] in ("root", "0"):
        found.append(Risk("low", "runs as root", name))
    return found


def _environment(given: Any) -> dict[str, Any]:
    if isinstance(given, dict):
        return mapping(given)
    pairs = [str(one).partition("=") for one in listing(given)]
    return {name: value if equals else None for name, equals, value in pairs}


def _volume(given: Any) -> tuple[str, str]:
    if isinstance(given, dict):
        return str(given.get("source", "")), str(given.get("target", ""))
    source, _, target = str(given).partition(":")
    return (source, target) if target else ("", source)


def _device(given: Any) -> str:
    """A device of the host, by its path or by the name that its driver gives it."""
    return str(given.get("source", "")) if isinstance(given, dict) else str(given).partition(":")[0]


def _source_risks(source: str, where: str) -> list[Risk]:
    """What a volume reaches of the host beside the folder of the file. A path that leads up is judged by its end too."""
    if source.startswith("/"):
        return host_path_risks(source, where)
    plain = posixpath.normpath(source)
    if source.startswith("~") or plain.partition("/")[0] == "..":
        end = UP.sub("/", plain)
        level = "high" if end.startswith("/") and host_path_risks(end, where) else "medium"
        return [Risk(level, f"reaches {short(source)} of the host, outside of the folder of the file", where)]
    return []


def _port(given: Any) -> str:
    if isinstance(given, dict):
        host = f"{given['host_ip']}:" if given.get("host_ip") else ""
        return short(f"{host}{given.get('published', '')}:{given.get('target', '')}")
    return short(given)


def _is_open(port: str) -> bool:
    """Whether a published port names no address, or every one; one that names no port of the host is given any."""
    head = port.partition("/")[0].rsplit(":", 2)
    return len(head) == 2 or (len(head) == 3 and head[0].strip("[]") in ("", "0.0.0.0", "::"))  # noqa: S104


def _names(given: Any) -> list[Any]:
    return list(given) if isinstance(given, dict | list) else []
