"""moto as one HTTP server on loopback, its gaps filled (moto_gaps.py), with one line of JSON for each request.

    python moto_server.py [--log FILE] [--cert PEM --key PEM] [--port 0] [--refuse FILE]

Promises: prints `{"address": "http://127.0.0.1:PORT"}` once it listens, on a port that the system chose; keeps
connections open (HTTP/1.1), as AWS does; the log says when, which service, region and action, the status, how long it
took and how many bytes went out. While the file of `--refuse` is there, S3 answers every request with the status and
code in it (`503 SlowDown`). Refused: any address but 127.0.0.1.
"""

import argparse
import io
import json
import os
import ssl
import sys
import threading
import time
import types
from urllib.parse import parse_qs

os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # with it, seeded ids repeat, and the start is quick

# moto's CloudFormation imports the models of every service; API Gateway's want a validator that nothing here asks for.
try:
    import openapi_spec_validator  # noqa: F401
except ModuleNotFoundError:
    for name in ("", ".validation", ".validation.exceptions"):
        made = types.ModuleType(f"openapi_spec_validator{name}")
        made.validate, made.OpenAPIValidationError = None, ValueError
        sys.modules[made.__name__] = made

import moto_gaps
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class KeepAlive(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_):
        pass


class Logged:
    """The WSGI application, and what each request was and cost."""

    def __init__(self, app, log, refuse=None):
        self.app, self.log, self.refuse, self.lock = app, log, refuse, threading.Lock()

    def __call__(self, environ, start):
        begun = time.perf_counter()
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        environ["wsgi.input"] = io.BytesIO(body)
        if environ.get("QUERY_STRING", "").split("=")[0] == "policyStatus":
            environ["QUERY_STRING"] = "policy&policyStatus"
        status = []

        def remember(line, headers, exc_info=None):
            status.append(line[:3])
            return start(line, headers)

        try:
            answer = self.refused(environ, remember) or b"".join(self.app(environ, remember))
        except Exception as error:  # moto raises NotImplementedError for what it has not
            answer = repr(error)[:500].encode()
            remember("500 Internal Server Error", [
                ("Content-Type", "text/plain"), ("Content-Length", str(len(answer))),
            ])
        if self.log:
            region, service = scope_of(environ)
            line = json.dumps({
                "at": round(time.time(), 4), "service": service, "region": region, "action": action_of(environ, body),
                "status": status[0], "ms": round((time.perf_counter() - begun) * 1e3, 2), "bytes": len(answer),
            })
            with self.lock:
                self.log.write(line + "\n")
        return [answer]


    def refused(self, environ, start):
        """S3's answer when it is told to refuse, else none."""
        if not self.refuse or scope_of(environ)[1] != "s3" or not os.path.exists(self.refuse):
            return None
        with open(self.refuse, encoding="utf-8") as file:
            status, code = file.read().split()
        body = f"<Error><Code>{code}</Code><Message>as the test wants it</Message></Error>".encode()
        start(f"{status} Refused", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return body


def scope_of(environ):
    """Region and service of the credential scope that the request was signed for."""
    _, found, rest = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")
    scope = rest.split(",")[0].split("/") if found else []
    return (scope[2], scope[3]) if len(scope) > 3 else ("", "")


S3_ACTIONS = {
    "location": "GetBucketLocation", "policy": "GetBucketPolicy", "policyStatus": "GetBucketPolicyStatus",
    "publicAccessBlock": "GetPublicAccessBlock", "encryption": "GetBucketEncryption",
    "versioning": "GetBucketVersioning", "logging": "GetBucketLogging", "object-lock": "GetObjectLockConfiguration",
}


def action_of(environ, body):
    """What was asked: the JSON target, the query's Action, or S3's method and sub-resource."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return target.rsplit(".", 1)[-1]
    if b"Action=" in body:
        return parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
    method, path, query = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/"), environ.get("QUERY_STRING", "")
    if method == "GET" and path == "/":
        return "ListBuckets"
    words = {word.split("=")[0] for word in query.split("&")}
    for word in ("policyStatus", *S3_ACTIONS):
        if method == "GET" and word in words:
            return S3_ACTIONS[word]
    return f"{method} {path.count('/')} {sorted(words)}"[:80]


def main():
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--port", type=int, default=0)
    ask.add_argument("--log")
    ask.add_argument("--cert")
    ask.add_argument("--key")
    ask.add_argument("--refuse")
    args = ask.parse_args()

    moto_gaps.install(is_tls=bool(args.cert))
    tls = None
    if args.cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(args.cert, args.key)
    log = open(args.log, "a", buffering=1, encoding="utf-8") if args.log else None
    app = Logged(DomainDispatcherApplication(create_backend_app), log, args.refuse)
    server = make_server("127.0.0.1", args.port, app, threaded=True, request_handler=KeepAlive, ssl_context=tls)
    os.environ["MOTO_PORT"] = str(server.port)  # moto puts it into URLs that it hands out
    print(json.dumps({"address": f"{'https' if tls else 'http'}://127.0.0.1:{server.port}"}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
