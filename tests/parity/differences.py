"""Where a document's `output` and what the AWS CLI prints differ, after the differences that are allowed.

Allowed, each by name, and nothing else:
- UNKNOWN: members that the CLI's model lacks. The document keeps them under their wire name and lists them (`unknown`).
- REDACTED: values that the redaction table removes. The document lists each (`redacted`); the CLI must show a value
  there, so that nothing is called redacted that was never sent.
- VOLATILE: what an emulator makes up anew for each request (named in test_parity.py, by server, call and pointer).
"""

REMOVED = "<removed>"


def differences(ours, theirs, unknown=(), redacted=(), volatile=()):
    """One line for each place that differs."""
    found = []
    for pointer in redacted:
        place = parent(theirs, pointer)
        if place is None or not isinstance(place[0][place[1]], str):
            found.append(f"{pointer}: redacted, but the CLI shows no value there")
        else:
            place[0][place[1]] = REMOVED
    for pattern in unknown:
        drop(ours, pattern.strip("/").split("/"))
    for pattern in volatile:
        for side in (ours, theirs):
            drop(side, pattern.strip("/").split("/"))
    compare(ours, theirs, "", found)
    return found


def unescape(token):
    return token.replace("~1", "/").replace("~0", "~")


def step(value, token):
    """The key or index that a reference token means in this value, or None."""
    if isinstance(value, dict):
        return unescape(token) if unescape(token) in value else None
    if isinstance(value, list) and token.isdigit() and int(token) < len(value):
        return int(token)
    return None


def parent(value, pointer):
    """The container and key that a JSON Pointer names, or None."""
    *path, last = pointer.strip("/").split("/")
    for token in path:
        key = step(value, token)
        if key is None:
            return None
        value = value[key]
    key = step(value, last)
    return None if key is None else (value, key)


def drop(value, path):
    """Removes what a pattern names; `*` is every entry of a list or map."""
    token, rest = path[0], path[1:]
    if token == "*":
        entries = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
        if rest:
            for entry in entries:
                drop(entry, rest)
        return
    key = step(value, token)
    if key is None:
        return
    if rest:
        drop(value[key], rest)
    else:
        del value[key]


def compare(ours, theirs, at, found):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            if key not in theirs:
                found.append(f"{at}/{key}: only ours: {short(ours[key])}")
            elif key not in ours:
                found.append(f"{at}/{key}: only the CLI's: {short(theirs[key])}")
            else:
                compare(ours[key], theirs[key], f"{at}/{key}", found)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (one, other) in enumerate(zip(ours, theirs)):
            compare(one, other, f"{at}/{index}", found)
    elif type(ours) is not type(theirs) or ours != theirs:
        found.append(f"{at or '/'}: ours {short(ours)}, the CLI's {short(theirs)}")


def short(value):
    text = repr(value)
    return text if len(text) < 160 else text[:150] + f"... ({len(text)})"
