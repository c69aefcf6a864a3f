// A my_init that was itself given a NOTIFY_SOCKET, as by systemd and podman.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { asleep, runInit, sh, SIGNALS, startInit } from "../support/namespace.ts";
import { beside, onTerm } from "../support/programs.ts";
import { until } from "../support/until.ts";

/** Writes each message that comes to a socket into /mnt/said, as a line. */
const LISTENER = `#!/usr/bin/perl
use Socket;
(my $name = shift) =~ s/^@/\\0/;
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die;
bind($socket, pack_sockaddr_un($name)) or die;
open(my $said, ">", "/mnt/said") or die;
open(my $ready, ">", "/mnt/ready") or die;
syswrite($said, "$_\\n") while defined(recv($socket, $_, 4096, 0));
`;

/** Ends with 3 when the listener, which is terminated next, has written down what is said at a stop. */
const HAS_SAID_BOTH = "until grep -q STOPPING /mnt/said; do sleep 0.02; done; exit 3";

for (const socket of ["/mnt/socket", `@baseimage-${crypto.randomUUID()}`]) {
  Deno.test(`NOTIFY_SOCKET=${socket[0]}... is told READY=1, and STOPPING=1 by a PID 1 that has slept`, async () => {
    await using init = await startInit(sh(onTerm(HAS_SAID_BOTH)), {
      files: { "/mnt/listener": LISTENER },
      env: { NOTIFY_SOCKET: socket, MY_INIT_SLEEP: "0.01" },
      before: beside(`/mnt/listener ${socket}`, ":"),
    });
    await init.says("ready\n");
    await until(() => init.read("mnt/said") === "READY=1\n", 30);
    await asleep(init);
    await init.signal(SIGNALS.SIGTERM);
    const { status, stderr } = await init.end();
    assertEquals([status, stderr.includes("NOTIFY_SOCKET")], [3, false]);
    assertEquals(init.read("mnt/said"), "READY=1\nSTOPPING=1\n");
  });
}

Deno.test("a NOTIFY_SOCKET that cannot be used gets one warning, and all else goes on", async () => {
  const form = "it must be an absolute path or @NAME, of 107 bytes at most";
  const long = `/${"x".repeat(107)}`;
  const reasons = { "/mnt/none": "No such file or directory", "vsock:2:1": form, [long]: form };
  for (const [socket, reason] of Object.entries(reasons)) {
    const { status, stdout, stderr } = await runInit(sh('echo "$NOTIFY_SOCKET"; exit 4'), {
      env: { NOTIFY_SOCKET: socket },
    });
    assertEquals([status, stdout], [4, `${socket}\n`]);
    const line = `*** Cannot write to NOTIFY_SOCKET ${socket}: ${reason}\n`;
    assertStringIncludes(stderr, line);
    assertEquals(stderr.split("Cannot write").length, 2, stderr);
  }
});
