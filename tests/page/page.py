"""Puts the page together as `evidenced verify-page` does, from the same parts and without it."""

import base64
import hashlib
import pathlib

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "src" / "page"
SCRIPTS = ("bytes", "json", "keys", "deflate", "zip", "bag", "run", "sidecars", "trust", "slots", "verify", "period",
           "screen", "quarter")


def source_hash(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def assemble():
    style = (SOURCES / "style.css").read_text(encoding="utf-8")
    script = '"use strict";\n' + "".join((SOURCES / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    page = (SOURCES / "page.html").read_text(encoding="utf-8")
    for place, text in (("@STYLE@", source_hash(style)), ("@SCRIPT@", source_hash(script)), ("@CSS@", style), ("@JS@", script)):
        page = page.replace(place, text, 1)
    return page
