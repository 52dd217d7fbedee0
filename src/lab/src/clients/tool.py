# A model of a program that is not Claude Code: reads its login, refreshes an expired one, asks for a message.
# Prints the answer, never a token.
import contextlib
import fcntl
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request

SETTINGS = json.loads(sys.argv[1])
STORE = SETTINGS["store"]
TLS = ssl.create_default_context(cafile=os.environ["NODE_EXTRA_CA_CERTS"])


def read():
    with open(STORE) as file:
        text = file.read()
    # Empty in the middle of somebody's write.
    return json.loads(text) if text else {}


def write(login):
    text = json.dumps(login)
    if not SETTINGS["renames"]:
        with open(STORE, "w") as file:
            file.write(text)
        return
    temporary = f"{STORE}.{os.getpid()}.tmp"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    try:
        os.rename(temporary, STORE)
    except OSError:  # The store is a mount point.
        os.unlink(temporary)
        with open(STORE, "w") as file:
            file.write(text)


@contextlib.contextmanager
def locked():
    if SETTINGS["lock"] is None:
        yield
        return
    with open(f"{STORE}.lock", "a+") as file:
        if SETTINGS["lock"] == "fcntl":
            fcntl.lockf(file, fcntl.LOCK_EX)
        else:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def post(url, headers, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json", **headers})
    with urllib.request.urlopen(request, context=TLS) as answer:
        return answer.read().decode()


def refresh(login):
    answer = json.loads(
        post(
            "https://platform.claude.com/v1/oauth/token",
            {},
            {"grant_type": "refresh_token", "refresh_token": login["refresh_token"]},
        )
    )
    fresh = {name: answer[name] for name in ("access_token", "refresh_token")}
    write({**fresh, "expires_at": int(time.time()) + answer["expires_in"]})
    return fresh


def expired(login):
    return login.get("expires_at", 0) <= time.time() + 60


def logged_in():
    login = read()
    if not SETTINGS["reads_again"]:
        # As if an hour had gone by since the start.
        return refresh(login)
    if not expired(login):
        return login
    with locked():
        login = read()
        return refresh(login) if expired(login) else login


def main():
    access = logged_in()["access_token"]
    said = post(
        "https://api.anthropic.com/v1/messages",
        {"authorization": f"Bearer {access}"},
        {"model": "lab-model", "stream": True},
    )
    if SETTINGS["answer"] not in said:
        sys.exit("the message is another one")
    print(SETTINGS["answer"])


try:
    main()
except urllib.error.HTTPError as error:
    sys.exit(f"the server answered {error.code}")
except (KeyError, ValueError) as error:
    sys.exit(f"no login in {STORE}: {type(error).__name__}")
