"""A headless Chromium, driven through its debugging pipe: no driver, no library.

Promises: a new empty profile each time, removed at the end; no network (every host name is unknown, and pages are
offline); what a page requests, logs and reports is kept. Ends only the process that it started.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars", "--remote-debugging-pipe", "about:blank",
)
SECONDS = 60


def find_chromium():
    """Path of Chromium; installs Debian's package when there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if not found and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-q"], check=False, stdout=subprocess.DEVNULL)
        subprocess.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium"], check=False,
                       stdout=subprocess.DEVNULL)
        found = next(filter(None, map(shutil.which, names)), None)
    if not found:
        raise RuntimeError("the tests of the page need Chromium 137 or later: install Debian's package chromium")
    return found


class Browser:
    """One process; `page` opens a tab."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="evidenced-page-")
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()

        def place_pipes():
            # Chromium reads commands from 3 and answers on 4. The copies above keep one from closing the other.
            high = [os.dup2(commands, 90), os.dup2(answers, 91)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [find_chromium(), *FLAGS, f"--user-data-dir={self.profile}"], close_fds=False, preexec_fn=place_pipes,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        self.number = 0
        self.held = b""
        self.events = []

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.commands)
        os.close(self.answers)
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self, until):
        while b"\0" not in self.held:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                raise TimeoutError("Chromium did not answer")
            piece = os.read(self.answers, 1 << 20)
            if not piece:
                raise RuntimeError(f"Chromium ended with code {self.process.wait()}")
            self.held += piece
        message, _, self.held = self.held.partition(b"\0")
        return json.loads(message)

    def send(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        rest = json.dumps(message).encode() + b"\0"
        while rest:
            rest = rest[os.write(self.commands, rest):]
        until = time.monotonic() + SECONDS
        while True:
            answer = self.receive(until)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def page(self, url, before=None):
        return Page(self, url, before)


class Page:
    """A tab, offline from its first request on."""

    def __init__(self, browser, url, before):
        self.browser = browser
        self.target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.send("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.send(f"{domain}.enable")
        self.send("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
        if before:
            self.send("Page.addScriptToEvaluateOnNewDocument", source=before)
        self.send("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && document.body.dataset.ready !== undefined")

    def send(self, method, **parameters):
        return self.browser.send(method, self.session, **parameters)

    def events(self, method):
        return [event["params"] for event in self.browser.events
                if event.get("sessionId") == self.session and event["method"] == method]

    def run(self, expression):
        """The value of an expression; a promise is awaited."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise AssertionError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def wait(self, expression):
        """Until the expression is true; the page is asked, nobody sleeps here."""
        self.run(f"""new Promise((resolve, reject) => {{
            const end = Date.now() + {SECONDS * 900};
            const look = () => ({expression}) ? resolve() : Date.now() > end
                ? reject(new Error("waited in vain for " + {json.dumps(expression)})) : setTimeout(look, 10);
            look();
        }})""")

    def choose(self, selector, paths):
        """Chooses files in a file input."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def fill(self, selector, text):
        self.run(f"""((field) => {{ field.value = {json.dumps(text)}; field.dispatchEvent(new Event("input")); }})(
            document.querySelector({json.dumps(selector)}))""")

    def screenshot(self, path, dark=False, width=1280, height=900, full=True):
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        data = self.send("Page.captureScreenshot", captureBeyondViewport=full)["data"]
        path.write_bytes(base64.b64decode(data))

    def pdf(self, path):
        data = self.send("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self):
        self.browser.send("Target.closeTarget", targetId=self.target)
        self.browser.events = [event for event in self.browser.events if event.get("sessionId") != self.session]
