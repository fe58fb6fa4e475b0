"""docker-compose.yml and the Dockerfile keep what the documentation promises about them.

The file is parsed as the Compose specification says, and what is ours is held: commands that exist, health checks,
pinned images, and containers without rights.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from journeyman.metrics import GAUGES, Metrics

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("journeyman:")}
each_service = pytest.mark.parametrize("name", SERVICES)


def interpolated() -> str:
    """The file as Compose reads it once every variable has its default, or some value."""
    return re.sub(
        r"\$\{\w+(?::[-?]([^}]*))?\}", lambda found: found[1] or "x", (ROOT / "docker-compose.yml").read_text()
    )


def test_file_is_what_the_specification_allows() -> None:
    """No key, duration, size or reference is wrong; a wrong one would be found."""
    PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(interpolated()))).validate()
    wrong = yaml.safe_load(interpolated())
    wrong["services"]["bot"]["helthcheck"] = {}
    with pytest.raises(ValueError, match="helthcheck"):
        PyCompose.from_yaml(yaml.safe_dump(wrong))


@pytest.mark.parametrize("command", sorted({tuple(service["command"]) for service in OURS.values()}))
def test_command_exists(command: tuple[str, ...]) -> None:
    """The command line of each of our services is one that there is, with its options."""
    shown = subprocess.run([sys.executable, "-m", "journeyman", *command, "--help"], capture_output=True)
    assert shown.returncode == 0, shown.stderr.decode()


@each_service
def test_health_is_checked(name: str) -> None:
    """A service that stays has a health check; one that ends once does not restart."""
    service = SERVICES[name]
    assert "healthcheck" in service or service["restart"] == "no"


@each_service
def test_image_is_pinned(name: str) -> None:
    """An image has a version in its tag, so that a restart does not bring a new one."""
    tag = SERVICES[name]["image"].split(":", 1)[1]
    assert re.search(r"\d+\.\d+", tag)
    assert "latest" not in tag


@each_service
def test_container_has_no_rights(name: str) -> None:
    """No container runs as root, writes to its root file system, or gains privileges."""
    service = SERVICES[name]
    assert service["user"].split(":")[0] not in ("root", "0")
    assert service["read_only"] is True
    assert service["tmpfs"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@each_service
def test_resources_are_limited(name: str) -> None:
    """No container can take the machine."""
    limits = SERVICES[name]["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory", "pids"}


@each_service
def test_volumes_and_networks_are_declared(name: str) -> None:
    """A named volume, a network and a dependency are declared in the same file."""
    service = SERVICES[name]
    sources = {volume.split(":")[0] for volume in service["volumes"]}
    assert {source for source in sources if re.fullmatch(r"\w+", source)} <= COMPOSE["volumes"].keys()
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    assert service.get("depends_on", {}).keys() <= SERVICES.keys()


def test_servers_are_not_reachable_from_outside() -> None:
    """PostgreSQL and Redis are on the internal network only, and publish no port."""
    assert COMPOSE["networks"]["data"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["data"]
        assert "ports" not in SERVICES[name]


def test_no_secret_is_written_down() -> None:
    """Passwords, tokens and keys come from the environment or .env."""
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|KEY|SECRET", key):
                assert value.startswith("${"), (name, key)


def test_gpu_services_reserve_a_gpu() -> None:
    """Only the services of the profile gpu reserve a device."""
    for service in SERVICES.values():
        reserved = "reservations" in service["deploy"]["resources"]
        assert reserved == (service.get("profiles") == ["gpu"])


def test_build_targets_exist() -> None:
    """Each target that is built, and each that can be chosen, is a stage of the Dockerfile."""
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    targets = {service["build"]["target"] for service in OURS.values()}
    assert {re.sub(r"\$\{\w+:-(\w+)\}", r"\1", target) for target in targets} <= stages
    assert {"slim", "cpu", "gpu"} <= stages


def test_files_that_are_mounted_exist() -> None:
    """A file of the repository that a service mounts is there: Docker would make an empty folder in its place."""
    for service in SERVICES.values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert not source.startswith("./") or (ROOT / source).is_file(), source


def test_published_ports_are_on_loopback() -> None:
    """Nothing is reachable from another machine unless a person puts a proxy in front."""
    for name, service in SERVICES.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_our_processes_are_watched() -> None:
    """Prometheus scrapes the port that bot, worker and beat serve."""
    port = COMPOSE["x-app"]["environment"]["JOURNEYMAN_METRICS_PORT"]
    jobs = yaml.safe_load((ROOT / "docs/operations/prometheus.yml").read_text())["scrape_configs"]
    targets = {target for job in jobs for static in job["static_configs"] for target in static["targets"]}
    assert targets == {
        f"{name}:{port}" for name in OURS if OURS[name]["restart"] != "no" and "profiles" not in OURS[name]
    }


def test_dashboard_shows_metrics_that_exist() -> None:
    """Every series in a panel is one that a process serves."""
    served = Metrics()
    names = {metric.name for metric in served.registry.collect()} | {f"journeyman_{gauge[0]}" for gauge in GAUGES}
    names |= {"journeyman_up", "journeyman_queue_depth", "journeyman_model"}
    dashboard = json.loads((ROOT / "docs/operations/dashboard.json").read_text())
    shown = re.findall(
        r"journeyman_\w+", " ".join(t["expr"] for panel in dashboard["panels"] for t in panel["targets"])
    )
    assert shown
    assert {re.sub("_(total|bucket|sum|count)$", "", name) for name in shown} <= names
