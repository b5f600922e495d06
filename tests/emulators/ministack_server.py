"""ministack that judges: it checks signatures and evaluates the policies of roles, buckets and keys, over TLS.

    python ministack_server.py --port PORT --cert PEM --key PEM

ministack 1.5.33 does this by itself (AUTH=true), but does not tell its evaluator what a request carries: the conditions
of a write and of a signature, the organisation, the role of a session, and the account that S3 is asked in the name of. That is filled in here, from the request
alone. Promises: one port answers TLS and plain HTTP, as S3's two ports do, and `aws:SecureTransport` says which it was.
Refused: any address but 127.0.0.1.
"""

import argparse
import asyncio
import json
import os
import socket
import threading

S3_HEADERS = (
    "if-none-match", "if-match", "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
)
KMS_MEMBERS = {"SigningAlgorithm": "kms:SigningAlgorithm", "MessageType": "kms:MessageType"}


def fill(account):
    """Gives the evaluator the condition keys of a request; the app that refuses another owner."""
    from ministack import app
    from ministack.core import iam_actions, iam_evaluator

    def of_s3(action, query, path="", headers=None):
        keys = s3_keys(action, query, path, headers) | {"s3:TlsVersion": "1.3"}
        if action == "s3:PutObject":
            keys |= {f"s3:{name}": headers[name] for name in S3_HEADERS if (headers or {}).get(name)}
        return keys

    def of_any(service, action, body, parameters):
        keys = tag_keys(service, action, body, parameters)
        if action == "kms:Sign":
            said = json.loads(body)
            keys |= {key: said[member] for member, key in KMS_MEMBERS.items() if member in said}
        return keys

    def resolved(key, context):
        # Every account is of the one organisation; a session's principal is its role.
        if key.lower() in ("aws:principalorgid", "aws:resourceorgid"):
            return iam_evaluator._principal_org_id(account)
        value = known_keys(key, context)
        if key.lower() == "aws:principalarn" and ":assumed-role/" in value:
            head, _, rest = value.partition(":assumed-role/")
            return f"{head.replace(':sts:', ':iam:')}:role/{rest.split('/')[0]}"
        return value

    known_keys, iam_evaluator._resolve_condition_key = iam_evaluator._resolve_condition_key, resolved
    s3_keys, iam_actions.s3_service_context = iam_actions.s3_service_context, of_s3
    tag_keys, iam_actions.request_tag_context = iam_actions.request_tag_context, of_any

    async def owned(scope, receive, send):
        headers = dict(scope.get("headers") or ())
        if headers.get(b"x-amz-expected-bucket-owner", account.encode()) != account.encode():
            body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            head = [(b"content-type", b"application/xml"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 403, "headers": head})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
            return
        await app.app(scope, receive, send)

    return owned


def front(port, tls_port, plain_port):
    """One port for both: the first byte of TLS is 22."""
    listener = socket.create_server(("127.0.0.1", port))

    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def serve(client):
        client.settimeout(60)
        try:
            first = client.recv(1, socket.MSG_PEEK)
            server = socket.create_connection(("127.0.0.1", tls_port if first == b"\x16" else plain_port))
        except OSError:
            client.close()
            return
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=copy, args=(source, target), daemon=True).start()

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--port", type=int, required=True)
    ask.add_argument("--cert", required=True)
    ask.add_argument("--key", required=True)
    args = ask.parse_args()
    app = fill(os.environ["MINISTACK_ACCOUNT_ID"])

    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config, plain, tls = Config(), free_port(), free_port()
    config.bind, config.insecure_bind = [f"127.0.0.1:{tls}"], [f"127.0.0.1:{plain}"]
    config.certfile, config.keyfile, config.loglevel = args.cert, args.key, "WARNING"
    front(args.port, tls, plain)
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main()
