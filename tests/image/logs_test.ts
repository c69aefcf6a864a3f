// Lines with a name: SERVICE_LOGS and SYSLOG_FORWARD.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Container, derive, runContainer, startContainer } from "../support/container.ts";
import { until } from "../support/until.ts";

// Two services that write many numbered lines, are restarted in the middle of it, and have last words. One is slow to write a
// line, and one has lines that a pipe does not take at once. The third has a log of its own.
const services = {
  web: `#!/bin/sh
trap 'echo web says good bye; printf "no newline"; exit 0' TERM
[ -e /tmp/counted ] || { : >/tmp/counted; seq -f 'web line %.0f' 10000; kill -KILL $$; }
echo web is up
while :; do sleep 0.05; done
`,
  db: `#!/usr/bin/python3
import os, sys
if not os.path.exists("/tmp/db"):
    open("/tmp/db", "w")
    for number in range(10000):
        os.write(1, b"db ")
        os.write(1, b"%d " % number + b"." * (number % 200) + b"\\n")
    os.write(1, b"long " + b"x" * 20000 + b"\\n")
    os.write(2, b"binary \\xff\\x00\\x1b caf\\xc3\\xa9\\n")
    os._exit(1)
os.execvp("sleep", ["sleep", "1000"])
`,
  own: "#!/bin/sh\nexec 2>&1\necho for my own log\nexec sleep 1000\n",
  ownlog: "#!/bin/sh\nwhile read -r line; do echo logged: $line; done\n",
  early: "#!/bin/sh\necho a script says this\n",
};
const built = () =>
  derive(
    `
RUN mkdir -p /etc/service/web /etc/service/db /etc/service/own/log
COPY web /etc/service/web/run
COPY db /etc/service/db/run
COPY own /etc/service/own/run
COPY ownlog /etc/service/own/log/run
COPY early /etc/my_init.d/30_early.sh
`,
    services,
  );

/** Starts it, asleep soon, and waits for all that the services have to say before they are stopped. */
async function untilStopped(from: string, form: string): Promise<string[]> {
  await using container = await startContainer([], {
    from,
    options: ["-e", `SERVICE_LOGS=${form}`, "-e", "MY_INIT_SLEEP=0.5"],
  });
  await container.says("web is up", 60);
  await container.says("binary", 60);
  await until(
    async () => (await container.sh("grep VmRSS /proc/1/status")).match(/ \d{1,4} kB/),
    20,
  );
  await container.sh("logger -t shop an order");
  await container.says("shop: an order");
  assertEquals(await container.stop(), 0);
  const { stdout, stderr } = await container.logs();
  return [...stdout.split("\n").slice(0, -1), ...stderr.split("\n").slice(0, -1)];
}

Deno.test("with SERVICE_LOGS=prefix each line has its name, and none is lost or mixed with another", async () => {
  await using image = await built();
  const lines = await untilStopped(image.name, "prefix");
  const of = (name: string) =>
    lines.filter((line) => line.startsWith(`${name} | `)).map((line) =>
      line.slice(name.length + 3)
    );
  const numbered = Array.from({ length: 10000 }, (_, index) => `web line ${index + 1}`);
  assertEquals(of("web"), [...numbered, "web is up", "web says good bye", "no newline"]);
  assertEquals(
    of("db").filter((line) => line.startsWith("db ")),
    Array.from({ length: 10000 }, (_, index) => `db ${index} ${".".repeat(index % 200)}`),
  );
  const long = lines.filter((line) => /^db [|+] (long )?x+$/.test(line));
  assertEquals(long.map((line) => line.slice(5)).join(""), "long " + "x".repeat(20000));
  assertStringIncludes(of("db").join("\n"), "binary \ufffd\0\x1b café");
  assertEquals(of("early"), ["a script says this"]);
  assertMatch(of("syslog-ng").join("\n"), /shop: an order/);
  assert(lines.includes("logged: for my own log"), "a service with a log of its own is left alone");
});

Deno.test("with SERVICE_LOGS=json every line of docker logs is an object of time, service, stream and message", async () => {
  await using image = await built();
  const objects = (await untilStopped(image.name, "json"))
    .filter((line) => line !== "logged: for my own log").map((line) => JSON.parse(line));
  const messages = (name: string, stream: string) =>
    objects.filter((it) => it.service === name && it.stream === stream).map((it) => it.message);
  assertEquals(messages("web", "stdout").length, 10003);
  assertEquals(messages("web", "stdout").at(-1), "no newline");
  assertEquals(messages("db", "stdout").filter((it) => it.startsWith("db ")).length, 10000);
  assertEquals(messages("db", "stderr"), ["binary \ufffd\0\x1b café"]);
  assertEquals(messages("early", "stdout"), ["a script says this"]);
  assert(messages("my_init", "stderr").some((it) => it.startsWith("Runit started as PID")));
  assert(messages("syslog-ng", "stdout").some((it) => it.endsWith("shop: an order")));
  for (const { time } of objects) {
    assertMatch(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
    assert(Math.abs(Date.now() - Date.parse(time)) < 600_000, time);
  }
});

Deno.test("the main command keeps its streams and status, and what it leaves behind does not hold up the end", async () => {
  const script = "echo out; echo err >&2; printf last; setsid sleep 1000 & exit 3";
  const { status, stdout, stderr } = await runContainer(
    ["my_init", "--quiet", "--", "sh", "-c", script],
    { options: ["-e", "SERVICE_LOGS=prefix"] },
  );
  assertEquals({ status, stdout }, { status: 3, stdout: "sh | out\nsh | last\n" });
  assertStringIncludes(stderr, "sh | err\n");
});

Deno.test("on a terminal the main command is left alone", async () => {
  const { stdout } = await runContainer([
    "my_init",
    "--quiet",
    "--",
    "sh",
    "-c",
    "test -t 1 && echo a terminal",
  ], {
    options: ["-t", "-e", "SERVICE_LOGS=json"],
  });
  assertMatch(stdout, /^a terminal\r?$/m);
});

Deno.test("the last words of a process that has to be killed are in docker logs", async () => {
  const stubborn = "trap 'echo I stay' TERM; echo ready; while :; do sleep 0.1; done";
  await using container = await startContainer(
    ["my_init", "--", "sh", "-c", `setsid sh -c "${stubborn}" & wait`],
    { options: ["-e", "SERVICE_LOGS=prefix", "-e", "SHUTDOWN_TIMEOUT=3"] },
  );
  await container.says("sh | ready");
  await container.stop();
  assertStringIncludes((await container.logs()).stdout, "sh | I stay\n");
});

Deno.test("another user may write to a service's /dev/stdout by name, and the PATH is as ever", async () => {
  await using image = await derive("COPY run /etc/service/web/run", {
    run:
      "#!/bin/sh\nexec setuser nobody sh -c 'echo by name $PATH >/dev/stdout; exec sleep 1000'\n",
  });
  await using container = await startContainer([], {
    from: image.name,
    options: ["-e", "SERVICE_LOGS=prefix"],
  });
  await container.says(
    "web | by name /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
  );
});

Deno.test("a relay costs less than 100 kB", async () => {
  await using container = await startContainer([], { options: ["-e", "SERVICE_LOGS=json"] });
  await container.booted();
  await until(async () => (await container.sh("pgrep -xc 'my_init relay' || :")).trim() >= "4");
  const sizes = await container.sh(
    "for pid in $(pgrep -x 'my_init relay'); do awk '/^Private/ { sum += $2 } END { print sum }' /proc/$pid/smaps; done",
  );
  for (const size of sizes.trim().split("\n")) assert(Number(size) < 100, sizes);
});

Deno.test("without SERVICE_LOGS, or with raw, there is no relay and no name", async () => {
  for (const options of [[], ["-e", "SERVICE_LOGS=raw"], ["-e", "SERVICE_LOGS="]]) {
    const { stdout } = await runContainer(
      ["my_init", "--quiet", "--", "sh", "-c", "echo hi; pgrep -x 'my_init relay'; true"],
      { options },
    );
    assertEquals(stdout, "hi\n");
  }
});

Deno.test("a SYSLOG_FORWARD that is wrong ends the boot with status 1, and one clear line", async () => {
  const wrong = {
    "SYSLOG_FORWARD=logs.example.com": "use udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT",
    "SYSLOG_FORWARD=udp://logs:99999": "the port is not a number from 1 to 65535",
    "SYSLOG_FORWARD=tcp://::1:514": "put an IPv6 address in brackets",
    'SYSLOG_FORWARD=tcp://a"b:514': "is not a name or address of a host",
  };
  for (const [setting, reason] of Object.entries(wrong)) {
    const { status, stderr } = await runContainer(["my_init", "--", "echo", "never"], {
      options: ["-e", setting],
    });
    assertEquals(status, 1, stderr);
    const said = stderr.split("\n").filter((line) =>
      line.includes(setting) && !line.includes("Ending")
    );
    assert(said.length === 1 && said[0].includes(reason), stderr);
  }
});

// Listens on 5514 and writes to /tmp/got. Its certificate is signed by a CA that only this container knows.
const LISTENER = `
import socket, ssl, sys, threading
kind, address = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
server = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
server.bind((address, 5514))
if kind != "udp": server.listen(5)
got = open("/tmp/got", "ab", 0)
if kind == "udp":
    while True: got.write(server.recv(65536) + b"\\n")
while True:
    peer, _ = server.accept()
    try:
        if kind == "tls":
            context = ssl.SSLContext(ssl.PROTOCOL_SSLv23)
            context.load_cert_chain("/tmp/server.pem")
            peer = context.wrap_socket(peer, server_side=True)
        for data in iter(lambda: peer.recv(65536), b""): got.write(data)
    except Exception as error: print("refused", error, flush=True)
`;
const CERTIFICATE = `#!/bin/bash
set -e; cd /tmp
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj "/CN=Test CA" -days 30
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj "/CN=$1"
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 30
cat server.key server.crt >server.pem
[ -z "$2" ] || cp ca.crt "/etc/ssl/certs/$(openssl x509 -hash -noout -in ca.crt).0"
`;

/** Starts a container that sends on to itself; the listener is there before syslog-ng. */
async function forwarding(
  test: (container: Container) => Promise<void>,
  kind: string,
  { host = "localhost", listenOn = "127.0.0.1", name = "localhost", trusted = "1" } = {},
): Promise<void> {
  await using image = await derive(
    `COPY listener.py /listener.py
COPY certificate /certificate
COPY listen /etc/my_init.d/05_listen.sh
RUN ${kind === "tls" ? `/certificate ${name} ${trusted}` : "true"}`,
    {
      "listener.py": LISTENER,
      certificate: CERTIFICATE,
      listen: `#!/bin/sh
setsid python3 /listener.py ${kind} ${listenOn} &
until [ -e /tmp/got ]; do sleep 0.05; done
`,
    },
  );
  await using container = await startContainer([], {
    from: image.name,
    options: [
      "-e",
      `SYSLOG_FORWARD=${kind}://${host}:5514`,
      "--sysctl",
      "net.ipv6.conf.all.disable_ipv6=0",
    ],
  });
  await container.booted();
  await container.sh("logger -t shop -p user.info an order; logger -t shop 'two\nlines'");
  await test(container);
}

const received = (container: Container) => container.sh("cat /tmp/got 2>/dev/null || :");

const ways: [kind: string, host: string, listenOn: string][] = [
  ["udp", "localhost", "127.0.0.1"],
  ["tcp", "127.0.0.1", "127.0.0.1"],
  ["tcp", "[::1]", "::1"],
  ["tls", "localhost", "127.0.0.1"],
];
for (const [kind, host, listenOn] of ways) {
  Deno.test(`SYSLOG_FORWARD=${kind}://${host}:5514 sends on what is logged, as RFC 5424 has it`, async () => {
    await forwarding(
      async (container) => {
        await until(async () => / shop - - .*two/.test(await received(container)), 30);
        const got = await received(container);
        assertMatch(got, /^<14>1 \d{4}-\d\d-\d\dT\S+ \S+ shop - - \S.* an order$/m);
        assertMatch(got, / shop - - \S.* two.+lines$/m);
        await container.says("shop: an order");
      },
      kind,
      { host, listenOn },
    );
  });
}

Deno.test("tls sends nothing to a server of another name, or with a certificate of an unknown CA", async () => {
  for (const wrong of [{ name: "other.example.com" }, { trusted: "" }]) {
    await forwarding(
      async (container) => {
        await container.says("ertificate", 30);
        assertEquals((await received(container)).includes("order"), false);
      },
      "tls",
      wrong,
    );
  }
});
