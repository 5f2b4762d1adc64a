#!/usr/bin/env python3
"""How fast `ilora serve` answers: one client while nothing is learned and while it learns, beside `ilora chat`, the time to the
first token, and 32 clients at once while tasks are learned and deployed, each answer checked against the one that is given alone.

  bench/serve.py PROGRAM MODEL [--minutes 10]
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

PORT = 8322
BASE = f"http://127.0.0.1:{PORT}"
PROMPT = "Tell a long story about a lighthouse keeper and her dog."


def post(path, body, timeout=300):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=timeout) as reply:
        return json.load(reply)


def get(path):
    with urllib.request.urlopen(BASE + path, timeout=60) as reply:
        return json.load(reply)


def stream(tokens, model="mine:base"):
    """Seconds to the first token, and tokens per second behind it."""
    body = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": tokens, "stream": True, "model": model}
    began = time.perf_counter()
    first, count = None, 0
    with urllib.request.urlopen(urllib.request.Request(BASE + "/v1/chat/completions", json.dumps(body).encode())) as reply:
        for line in reply:
            if line.startswith(b"data: {") and b'"content":' in line:
                first = first or time.perf_counter()
                count += 1
    return first - began, (count - 1) / (time.perf_counter() - first)


def chat_rate(program, model, tokens):
    """Of the same answer in `ilora chat`: the time of a long one minus that of a short one."""
    seconds = []
    for n in (1, tokens):
        began = time.perf_counter()
        subprocess.run([program, "chat", model, "-n", str(n)], input=PROMPT, text=True, capture_output=True, check=True)
        seconds.append(time.perf_counter() - began)
    return (tokens - 1) / (seconds[1] - seconds[0])


def teach(task, rows):
    post("/v1/teach", {"task": task, "learn": True,
                       "rows": [{"prompt": f"{task} {i}: which way?", "answer": f"Way {i * 7 % 10} of {task}."} for i in range(rows)]})


def learning():
    status = get("/v1/teach")
    return status["learning"] is not None or status["queue"]


def one_stream(program, model):
    rates, firsts = [], []
    chats = []
    for _ in range(5):
        chats.append(chat_rate(program, model, 129))
        first, rate = stream(128)
        rates.append(rate)
        firsts.append(first)
    alone = statistics.median(rates)
    print(f"ilora chat {statistics.median(chats):.1f} tokens/s; served {alone:.1f}; first token {statistics.median(firsts):.2f} s")
    teach("long", 60)
    while get("/v1/teach")["learning"] is None or get("/v1/teach")["learning"]["phase"] != "training":
        time.sleep(0.05)
    rates, firsts = [], []
    while len(rates) < 5 and learning():
        first, rate = stream(128)
        rates.append(rate)
        firsts.append(first)
    print(f"while it learns: {statistics.median(rates):.1f} tokens/s ({statistics.median(rates) / alone:.2f} of alone), first token "
          f"{statistics.median(firsts):.2f} s, at most {max(firsts):.2f} s ({len(rates)} answers)")
    while learning():
        time.sleep(0.5)


def many_clients(minutes, memory_of):
    questions = [f"Question {i}: what is {i} plus {i + 3}?" for i in range(40)]
    models = ["mine:base", "mine:task-01", "mine:task-01:fast"]
    body = lambda q, m: {"messages": [{"role": "user", "content": q}], "max_tokens": 16, "model": m}
    text = lambda reply: reply["choices"][0]["message"]["content"]
    alone = {(q, m): text(post("/v1/chat/completions", body(q, m))) for q in questions for m in models}
    counts = {"right": 0, "wrong": 0, "busy": 0, "failed": 0}
    lock, end = threading.Lock(), time.monotonic() + 60 * minutes

    def client(number):
        i = number
        while time.monotonic() < end:
            i += 1
            key = questions[i * 7 % len(questions)], models[i % len(models)]
            try:
                kind = "right" if text(post("/v1/chat/completions", body(*key))) == alone[key] else "wrong"
            except urllib.error.HTTPError as error:
                kind = "busy" if error.code == 429 else "failed"
            except OSError:
                kind = "failed"
            with lock:
                counts[kind] += 1

    before = memory_of()
    clients = [threading.Thread(target=client, args=(n,)) for n in range(32)]
    for thread in clients:
        thread.start()
    for task in ("red", "green", "blue"):
        teach(task, 6)
    memory = []
    while time.monotonic() < end:
        memory.append(memory_of())
        time.sleep(5)
    for thread in clients:
        thread.join()
    journal = [entry["kind"] for entry in get("/v1/deployments")["data"]]
    half = memory[len(memory) // 2:]
    print(f"32 clients, {minutes} min: {counts}; journal {journal}; MiB before {before}, in the second half {min(half)} to {max(half)}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program")
    arguments.add_argument("model")
    arguments.add_argument("--minutes", type=float, default=10)
    a = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([a.program, "-q", "serve", a.model, "--run", str(pathlib.Path(folder) / "mine"), "--listen", str(PORT),
                                   "--learn-idle", "0", "--general-budget", "1"])
        try:
            for _ in range(300):
                try:
                    get("/health")
                    break
                except OSError:
                    time.sleep(0.1)
            one_stream(a.program, a.model)
            memory_of = lambda: int(next(line.split()[1] for line in open(f"/proc/{server.pid}/status") if line.startswith("VmRSS"))) >> 10
            many_clients(a.minutes, memory_of)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
