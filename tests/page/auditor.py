"""What an auditor does with the page, in any browser that has a tab with `run`, `wait`, `choose` and `fill`."""

import forge

CHOSEN = {"evidence": "evidence.pub.pem", "log": "log.pub.pem"}


class Verifier:
    """The page as an auditor uses it."""

    def __init__(self, tab, folder):
        self.folder = folder
        self.tab = tab

    def key(self, purpose, pem, fingerprint="tick"):
        path = self.folder / CHOSEN[purpose]
        path.write_text(pem, encoding="utf-8")
        self.tab.choose(f"#file-{purpose}", [path])
        self.tab.wait(f"keys.{purpose} && document.querySelector('#fingerprint-{purpose}').textContent")
        if fingerprint == "tick":
            self.tab.run(f"document.querySelector('#ticked-{purpose}').click()")
        elif fingerprint:
            self.tab.fill(f"#typed-{purpose}", fingerprint)

    def keys(self):
        self.key("evidence", forge.EVIDENCE_PEM)
        self.key("log", forge.LOG_PEM)

    def files(self, paths):
        """Gives files; what each sheet then says."""
        self.tab.choose("#files", paths)
        return self.sheets()

    def sheets(self):
        self.tab.wait("document.body.dataset.state === 'done'")
        return self.tab.run("""[...document.querySelectorAll("#sheets .sheet")].map((sheet) => ({
            result: sheet.dataset.result, level: sheet.dataset.level, failed: sheet.dataset.failed,
            because: sheet.querySelector(".because").textContent, text: sheet.innerText,
            checks: Object.fromEntries([...sheet.querySelectorAll("[data-check]")].map((line) =>
                [line.dataset.check, line.dataset.state])),
        }))""")

    def zip(self, name, content):
        """Gives one zip of this name and content; what its sheet says."""
        path = self.folder / name
        path.write_bytes(content)
        return self.files([path])[0]


def violations(verifier, axe, dark):
    value = "dark" if dark else "light"
    verifier.tab.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])
    verifier.tab.run(f"{axe}; undefined")
    return verifier.tab.run("""axe.run(document, { preload: false }).then((it) =>
        it.violations.flatMap((rule) => rule.nodes.map((node) => [rule.id, node.target.join(" "), node.failureSummary])))""")
