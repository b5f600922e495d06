"""A headless Firefox, driven through WebDriver BiDi: no driver, no library but the WebSocket frames.

Promises: a new empty profile each time, removed at the end; no network (every request but file:// goes to a proxy that
is not there). Ends only the process that it started.
"""

import json
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Message, Request, TextMessage

SECONDS = 60
PREFERENCES = {
    "network.proxy.type": 1, "network.proxy.http": "127.0.0.1", "network.proxy.http_port": 9, "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9, "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "app.update.enabled": False, "datareporting.policy.dataSubmissionEnabled": False, "toolkit.telemetry.enabled": False,
    "browser.shell.checkDefaultBrowser": False, "browser.safebrowsing.update.enabled": False,
    "extensions.update.enabled": False, "services.settings.server": "data:,", "remote.active-protocols": 1,
}


def find_firefox():
    """Path of Firefox, or None: it is the second browser, and a large package."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Firefox:
    """One process; `page` opens a tab."""

    def __init__(self):
        self.profile = pathlib.Path(tempfile.mkdtemp(prefix="evidenced-firefox-"))
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
        (self.profile / "user.js").write_text("".join(lines), encoding="utf-8")
        self.process = subprocess.Popen(
            [find_firefox(), "--headless", "--no-remote", "--profile", self.profile, "--remote-debugging-port", "0", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={"HOME": str(self.profile), "PATH": "/usr/bin:/bin"})
        self.number = 0
        self.texts = []
        self.part = ""
        self.connect()
        self.send("session.new", capabilities={})

    def port(self):
        """What Firefox chose; it says so on standard error, and what else it says there is read and dropped."""
        said = []
        for line in self.process.stderr:
            found = re.search(rb"WebDriver BiDi listening on ws://127\.0\.0\.1:(\d+)", line)
            if found:
                threading.Thread(target=lambda: [None for _ in self.process.stderr], daemon=True).start()
                return int(found[1])
            said.append(line.decode(errors="replace"))
        raise RuntimeError(f"Firefox did not start: {''.join(said)[-2000:]}")

    def connect(self):
        port = self.port()
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.frames = WSConnection(ConnectionType.CLIENT)
        self.socket.sendall(self.frames.send(Request(host=f"127.0.0.1:{port}", target="/session")))
        assert isinstance(self.next_event(), AcceptConnection)

    def next_event(self):
        while True:
            for event in self.frames.events():
                return event
            data = self.socket.recv(1 << 16)
            if not data:
                raise RuntimeError("Firefox ended")
            self.frames.receive_data(data)

    def receive(self):
        while True:
            event = self.next_event()
            if isinstance(event, TextMessage):
                self.part += event.data
                if event.message_finished:
                    whole, self.part = self.part, ""
                    return json.loads(whole)
            elif not isinstance(event, Message):
                reply = getattr(event, "response", None)
                if reply:
                    self.socket.sendall(self.frames.send(reply()))

    def send(self, method, **parameters):
        self.number += 1
        message = json.dumps({"id": self.number, "method": method, "params": parameters})
        self.socket.sendall(self.frames.send(Message(data=message)))
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if answer["type"] == "error":
                    raise RuntimeError(f"{method}: {answer['error']}: {answer['message']}")
                return answer["result"]

    def page(self, url):
        return Page(self, url)

    def close(self):
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    """A tab; what it answers is that of the page's own scripts, which the page's policy does not stop."""

    def __init__(self, browser, url):
        self.browser = browser
        self.context = browser.send("browsingContext.create", type="tab")["context"]
        browser.send("browsingContext.navigate", context=self.context, url=url, wait="complete")
        self.wait("document.body.dataset.ready !== undefined")

    def evaluate(self, expression):
        answer = self.browser.send("script.evaluate", expression=expression, target={"context": self.context}, awaitPromise=True)
        if answer["type"] == "exception":
            raise AssertionError(answer["exceptionDetails"]["text"])
        return answer["result"]

    def run(self, expression):
        """The value of an expression; a promise is awaited."""
        value = self.evaluate(f"Promise.resolve({expression}).then((it) => JSON.stringify(it))")
        return json.loads(value["value"]) if value["type"] == "string" else None

    def wait(self, expression):
        """Until the expression is true; the page is asked, nobody sleeps here."""
        self.evaluate(f"""new Promise((resolve, reject) => {{
            const end = Date.now() + {SECONDS * 900};
            const look = () => ({expression}) ? resolve() : Date.now() > end
                ? reject(new Error("waited in vain for " + {json.dumps(expression)})) : setTimeout(look, 10);
            look();
        }})""")

    def choose(self, selector, paths):
        """Chooses files in a file input."""
        node = self.evaluate(f"document.querySelector({json.dumps(selector)})")
        self.browser.send("input.setFiles", context=self.context, element={"sharedId": node["sharedId"]},
                          files=[str(path) for path in paths])

    def fill(self, selector, text):
        self.run(f"""((field) => {{ field.value = {json.dumps(text)}; field.dispatchEvent(new Event("input")); }})(
            document.querySelector({json.dumps(selector)}))""")

    def close(self):
        self.browser.send("browsingContext.close", context=self.context)
