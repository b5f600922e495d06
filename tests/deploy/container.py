"""Runs the image as ECS would, without a container engine; prints one line of JSON of what happened.

    unshare --mount --net --propagation private python container.py FOLDER STATIC

In a network of its own (loopback only), with an emulated AWS over TLS in it. The image is unpacked, its root mounted
read-only without setuid and devices, a folder of the user mounted where its volume is; the program runs as 65532 in a
chroot, without capabilities and with no_new_privs. FOLDER is empty; STATIC is the program.
"""

import ctypes
import fcntl
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
sys.path[:0] = [str(TESTS / "emulators"), str(TESTS / "parity"), str(TESTS / "store"), str(HERE)]

import emulators  # noqa: E402
from bucket import Cloud, Desk  # noqa: E402
from oci import Image  # noqa: E402

USER = 65532
# https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#default-devices
DEVICES = ["null", "zero", "full", "random", "urandom"]
LISTEN = "127.0.0.1:9464"


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        up_and_running = struct.pack("16sh", b"lo", 0x1 | 0x40)
        fcntl.ioctl(probe, 0x8914, up_and_running)  # SIOCSIFFLAGS


def certificate(folder):
    """The authority and the server certificate of tests/store."""
    found = importlib.util.spec_from_file_location("store_conftest", TESTS / "store/conftest.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.certificate(folder)


class Container:
    """The image's root, read-only, with its volume."""

    def __init__(self, image, folder):
        self.image, self.root = image, folder / "root"
        self.volume = folder / "volume"
        self.root.mkdir()
        self.volume.mkdir()
        image.unpack(self.root)
        # What an engine makes for every container.
        for name in ("proc", "dev"):
            (self.root / name).mkdir(exist_ok=True)
        for name in DEVICES:
            (self.root / "dev" / name).touch()
        place = self.root / "var/lib/evidenced"
        owner = place.stat()
        # A volume begins with the owner and the mode of the image's folder at its place.
        os.chown(self.volume, owner.st_uid, owner.st_gid)
        mount = ["mount", "--bind", str(self.root), str(self.root)]
        subprocess.run(mount, check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro,nosuid,nodev", str(self.root)], check=True)
        subprocess.run(["mount", "--bind", str(self.volume), str(place)], check=True)
        for name in DEVICES:
            subprocess.run(["mount", "--bind", f"/dev/{name}", str(self.root / "dev" / name)], check=True)

    def start(self, *arguments, env):
        command = [*self.image.config["config"]["Entrypoint"], *arguments]
        own = dict(it.split("=", 1) for it in self.image.config["config"]["Env"])
        return subprocess.Popen(
            command, env=own | env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: enter(self.root),
        )

    def run(self, *arguments, env):
        began = time.monotonic()
        process = self.start(*arguments, env=env)
        out, err = process.communicate(timeout=120)
        return {"code": process.returncode, "out": out[-4000:], "err": err[-4000:], "seconds": time.monotonic() - began}


def enter(root):
    """In the child: the chroot, then nobody. The order matters: only root can do the first."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.chroot(root)
    os.chdir("/")
    for capability in range(64):
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; an error is a capability that the kernel does not have
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    if libc.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS
        raise OSError(ctypes.get_errno(), "no_new_privs")


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def wait_for(check, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.05)  # another process's state, which nobody announces
    return None


def answers():
    host, port = LISTEN.split(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return time.monotonic()
    except OSError:
        return None


def configured(cloud, folder, static):
    """A deployment's folder, and its image."""
    desk = Desk(cloud, folder, cloud.bucket())
    desk.settings["spool"]["dir"] = "/var/lib/evidenced/spool"
    desk.settings["signing"]["trust_root"] = "trust"
    desk.settings["service"] = {"listen": LISTEN}
    desk.write()
    shutil.copytree(folder / "store/trust", folder / "trust")
    for name in ("store", "offline"):
        shutil.rmtree(folder / name, ignore_errors=True)
    shutil.copy(cloud.authority, folder / "authority.pem")
    built = subprocess.run(
        [TESTS.parent / "deploy/build-image", "--config", folder, "--out", folder.parent / "built"], check=False,
        capture_output=True, text=True, env=os.environ | {"EVIDENCED_STATIC": static, "EVIDENCED_KEYS_IN_IMAGE": "for-a-test"},
    )
    if built.returncode:
        raise RuntimeError(built.stderr)
    return desk, Image(folder.parent / "built/image", "configured")


def main():
    folder, static = pathlib.Path(sys.argv[1]), sys.argv[2]
    loopback_up()
    said = {}
    tls, deployment = folder / "tls", folder / "deployment"
    tls.mkdir()
    deployment.mkdir()
    authority, cert, key = certificate(tls)
    with emulators.moto(cert=cert, key=key) as server:
        cloud = Cloud(server, authority)
        desk, image = configured(cloud, deployment, static)
        container = Container(image, folder)
        env = {key: value for key, value in server.env("us-east-1").items() if key.startswith("AWS_")}
        env |= {"AWS_CA_BUNDLE": "/etc/evidenced/authority.pem", "EVIDENCED_LOG_FORMAT": "json"}
        env["EVIDENCED_IMAGE_DIGEST"] = image.digest
        said["digest"] = image.digest
        said["version"] = container.run("--version", env={})
        said["doctor"] = container.run("doctor", env=env)
        said["collect"] = container.run("collect", env=env)
        said["keys"] = cloud.keys(desk.bucket)
        container.run("doctor", "--acceptance", "--save", "/var/lib/evidenced/acceptance.json", env=env)
        said["acceptance"] = json.loads((container.volume / "acceptance.json").read_text(encoding="utf-8"))
        said["policy"] = container.run("config", "check", env=env)

        began = time.monotonic()
        service = container.start("run", env=env)
        at = wait_for(lambda: answers() or service.poll() is not None)
        said["start_seconds"] = (at - began) if at and at is not True else None
        if service.poll() is None:
            status = status_of(service.pid)
            said["process"] = {name: status[name] for name in ("Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs", "Groups")}
            said["resident_kib"] = int(status["VmRSS"].split()[0])
            said["health"] = container.run("health", env=env)
            stopping = time.monotonic()
            service.send_signal(signal.SIGTERM)
        out, err = service.communicate(timeout=60)
        said["service"] = {"code": service.returncode, "out": out[-4000:], "err": err[-4000:]}
        said["stop_seconds"] = time.monotonic() - stopping if "health" in said else None
        said["files_written"] = sorted(str(it.relative_to(container.volume)) for it in container.volume.rglob("*"))[:50]
        # The root is read-only also for root.
        try:
            (container.root / "written").write_text("x", encoding="utf-8")
            said["root_write"] = "succeeded"
        except OSError as error:
            said["root_write"] = os.strerror(error.errno)
    print(json.dumps(said))


main()
