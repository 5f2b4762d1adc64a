#!/usr/bin/env python3
"""Sends requests that are wrong in some way to `ilora serve`, and looks whether it still answers as before, and in how much memory.

  tests/serve/malformed.py PROGRAM MODEL [--count 10000] [--seed 1]

Wrong are the bytes of a request, its headers, its JSON (values of other types, out of range, deep, long, unknown fields, bytes
that are no UTF-8), paths that lead elsewhere, and connections that say half a request and stay or go.
"""
import argparse
import collections
import json
import pathlib
import random
import socket
import subprocess
import tempfile
import time
import urllib.request

PORT = 8323
PATHS = ["/v1/chat/completions", "/v1/completions", "/v1/teach", "/v1/teach/learn", "/v1/rollback", "/v1/files", "/v1/fine_tuning/jobs",
         "/v1/memory", "/v1/models/x", "/v1/deployments", "/metrics", "/", "/page.js", "/../../etc/passwd", "/v1/files/..%2f..%2fx", "/%00"]
KEYS = ["model", "messages", "prompt", "max_tokens", "temperature", "top_p", "top_k", "stop", "n", "seed", "stream", "stream_options",
        "logprobs", "top_logprobs", "echo", "lora", "rows", "task", "learn", "deployment", "training_file", "suffix", "tools", "frobnicate"]


def value(draw, depth=0):
    kind = draw.randrange(12)
    if kind == 0:
        return draw.choice([0, 1, -1, 2**31, 2**63, -2**63, 10**400, 1.5, 1e308, -0.0])
    if kind == 1:
        return draw.choice([True, False, None])
    if kind == 2:
        return draw.choice(["", "x", "\u0000", "\ud800", "é" * 50, "x" * draw.choice([10, 10_000]), "../../etc/passwd", "serve:slow~fast@9"])
    if kind < 6 and depth < 4:
        return [value(draw, depth + 1) for _ in range(draw.randrange(4))]
    if kind < 8 and depth < 4:
        return {draw.choice(["role", "content", "id", "answer", "prompt", "messages"]): value(draw, depth + 1) for _ in range(draw.randrange(4))}
    if kind == 8:
        return [{"role": draw.choice(["user", "system", "assistant", "tool", "x"]), "content": value(draw, 4)}]
    if kind == 9:
        return [{"prompt": value(draw, 4), "answer": value(draw, 4)}]
    return draw.choice([[1, 2, 3], [99999999], "hello", [[1], ["x"]]])


def body_of(draw):
    kind = draw.randrange(8)
    if kind == 0:
        return bytes(draw.randrange(256) for _ in range(draw.randrange(200)))
    if kind == 1:
        return draw.choice([b"[" * 100_000, b'{"a":' * 50_000, b"{", b"", b"null", b'{"prompt":"x","prompt":"y"}', b'{"prompt":"\xff"}', b"\x00"])
    data = {draw.choice(KEYS): value(draw) for _ in range(draw.randrange(6))}
    if kind < 4:
        data["prompt"] = draw.choice(["x", value(draw)])
    text = json.dumps(data).encode("utf-8", "surrogatepass")
    if kind == 7 and text:
        at = draw.randrange(len(text))
        text = text[:at] + bytes([draw.randrange(256)]) + text[at + 1:]
    return text


def request_of(draw):
    method = draw.choice(["POST"] * 6 + ["GET", "DELETE", "PUT", "HEAD", "OPTIONS", "\x01", "G E T"])
    body = body_of(draw)
    headers = [f"Host: {draw.choice([f'127.0.0.1:{PORT}'] * 9 + ['evil.example'])}"]
    length = draw.choice([len(body)] * 12 + [0, len(body) + 5, -1, 10**19, "x"])
    headers.append(f"Content-Length: {length}")
    if draw.randrange(12) == 0:
        headers.append(draw.choice(["Transfer-Encoding: chunked", "Content-Encoding: gzip", "Origin: null", "X: " + "y" * 9000, "Range: bytes=0-",
                                    "Content-Type: multipart/form-data; boundary=", "Content-Type: multipart/form-data; boundary=b"]))
    line = f"{method} {draw.choice(PATHS)} HTTP/{draw.choice(['1.1'] * 9 + ['9.9'])}"
    return (line + "\r\n" + "\r\n".join(headers) + "\r\n\r\n").encode() + body


def send(draw, bytes_to_send, held):
    s = socket.create_connection(("127.0.0.1", PORT), timeout=30)
    if draw.randrange(40) == 0:  # says half, and stays for a while
        s.sendall(bytes_to_send[:len(bytes_to_send) // 2])
        held.append(s)
        if len(held) > 20:
            held.popleft().close()
        return "held"
    try:
        s.sendall(bytes_to_send)
        s.settimeout(0.5)  # a body that is said to be longer is waited for
        if draw.randrange(20) == 0:
            return "left"  # without waiting for an answer
        head = s.recv(64)
        return head[9:12].decode("latin-1") if head else "closed"
    except OSError as error:
        return type(error).__name__
    finally:
        if s not in held:
            s.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program")
    arguments.add_argument("model")
    arguments.add_argument("--count", type=int, default=10000)
    arguments.add_argument("--seed", type=int, default=1)
    a = arguments.parse_args()
    draw = random.Random(a.seed)
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([a.program, "-q", "serve", a.model, "--run", str(pathlib.Path(folder) / "serve"), "--listen", str(PORT),
                                   "--learn-idle", "0", "--learn-after", "0", "--context", "256", "--set", "data.template=raw"])
        memory = lambda: int(next(line.split()[1] for line in open(f"/proc/{server.pid}/status") if line.startswith("VmRSS"))) >> 10

        def answer():
            text = json.dumps({"prompt": "Which way?", "max_tokens": 8}).encode()
            with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{PORT}/v1/completions", text), timeout=60) as reply:
                return json.load(reply)["choices"][0]["text"]

        try:
            for _ in range(100):
                try:
                    first = answer()
                    break
                except OSError:
                    time.sleep(0.1)
            counts, held, sizes = collections.Counter(), collections.deque(), [memory()]
            for i in range(a.count):
                counts[send(draw, request_of(draw), held)] += 1
                if i % 500 == 499:
                    sizes.append(memory())
            for s in held:
                s.close()
            assert server.poll() is None, f"the server ended with {server.poll()}"
            assert answer() == first, "it answers otherwise than before"
            print(f"{a.count} requests: {dict(counts)}; MiB {sizes[0]} at first, {max(sizes)} at most, {sizes[-1]} at last; answers as before")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
