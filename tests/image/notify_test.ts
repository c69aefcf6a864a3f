// READY=1: said by a service's program, and by my_init to the socket that it was given.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  type Container,
  image,
  restrictions,
  runContainer,
  startContainer,
} from "../support/container.ts";
import { sleeper, withServices } from "../support/services.ts";
import { until } from "../support/until.ts";

/** A program in perl, which every base has: says its argument to NOTIFY_SOCKET, as `systemd-notify` does. */
const SAY = `perl -MSocket -e '
  ($name = $ENV{NOTIFY_SOCKET}) =~ s/^@/\\0/;
  socket(S, AF_UNIX, SOCK_DGRAM, 0);
  send(S, shift, 0, pack_sockaddr_un($name)) or die "Cannot send: $!\\n"'`;

/** A `run` whose program becomes ready when there is a file /tmp/ready, which may be another user's. */
const waiter = (setuser = "") =>
  `#!/bin/sh
echo db starts
exec ${setuser} sh -c 'until [ -e /tmp/ready ]; do sleep 0.1; done; "$@"; exec sleep 1000' sh \\
  ${SAY} "STATUS=up
READY=1"
`;

const listens = async (container: Container) =>
  (await container.exec("sh", "-c", 'grep -x "my_init listens" /proc/[0-9]*/comm')).status === 0;

const healthy = async (container: Container, ...names: string[]) =>
  (await container.exec("healthy", ...names)).stdout;

Deno.test("a program that says READY=1 to its NOTIFY_SOCKET", async (test) => {
  await using derived = await withServices({
    db: { run: waiter("/sbin/setuser nobody"), "notification-fd": "socket\n" },
    web: { run: sleeper("web starts $NOTIFY_SOCKET."), needs: "db\n" },
  });
  await using container = await startContainer([], { from: derived.name });
  await test.step("is waited for, also as another user", async () => {
    await container.says("db starts");
    await until(async () => /not ready/.test(await healthy(container, "db")), 30);
    assertMatch(await healthy(container, "web"), /^web: waiting/);
    await container.sh("touch /tmp/ready");
    await container.says("web starts .\n", 60); // Others have no NOTIFY_SOCKET.
    assertMatch(await healthy(container, "db"), /^db: up for \d+ s, ready\n$/);
    await until(async () => !await listens(container), 30);
  });
  await test.step("is not ready any more when it is restarted", async () => {
    await container.sh("rm /tmp/ready; sv restart db");
    assertMatch(await healthy(container, "db"), /not ready/);
    await until(() => listens(container), 30);
  });
  await test.step("leaves nothing when it ends without a word", async () => {
    await container.sh("sv -w 30 down db");
    await until(async () => !await listens(container), 30);
  });
  await test.step("does not count from another container in the same network", async () => {
    await container.sh("sv up db");
    await until(() => listens(container), 30);
    const sockets = await container.sh("grep -o '@.*' /proc/net/unix");
    for (const socket of sockets.trim().split("\n")) {
      const { stderr } = await runContainer(
        ["/sbin/my_init", "--quiet", "--skip-runit", "--", "sh", "-c", `${SAY} READY=1`],
        {
          from: derived.name,
          options: ["--network", `container:${container.name}`, "--env", `NOTIFY_SOCKET=${socket}`],
        },
      );
      assertEquals(stderr, ""); // It could be sent.
    }
    assertMatch(await healthy(container, "db"), /not ready/);
  });
  await test.step("does not hold up a stop", async () => {
    const begun = performance.now();
    assertEquals(await container.stop(), 0);
    assert(performance.now() - begun < 7000);
  });
});

Deno.test("READY=1 counts where little is allowed, and where no other service waits for it", async () => {
  const run =
    `#!/bin/sh\nready() {\n${SAY} READY=1\n}\ntrap ready USR1\nwhile :; do sleep 0.11; done\n`;
  await using derived = await withServices({ db: { run, "notification-fd": "socket\n" } });
  const wait = `until healthy | grep "not ready"; do sleep 0.1; done
    until pgrep -x -f "sleep 0.11"; do sleep 0.05; done
    until healthy; do sv 1 db; sleep 0.2; done`; // 1: USR1
  for (const [what, options] of Object.entries(restrictions)) {
    const command = ["/sbin/my_init", "--", "timeout", "100", "sh", "-c", wait];
    const { status, stdout } = await runContainer(command, { from: derived.name, options });
    assertEquals(status, 0, what);
    assertMatch(stdout, /db: up for \d+ s, ready\n$/, what);
  }
});

Deno.test("a file notification-fd that holds neither a number nor socket gets one line", async () => {
  await using derived = await withServices({
    db: { run: sleeper("db starts"), "notification-fd": "sockets\n" },
  });
  const line = "/etc/service/db/notification-fd must hold a number from 3 to 9, or socket\n";
  await using container = await startContainer([], { from: derived.name });
  await container.says(`*** ${line}`);
  await container.says("db starts");
  const { stdout } = await runContainer(["my_init", "--check"], { from: derived.name });
  assertStringIncludes(stdout, "/etc/service/db/notification-fd:1: warning: ");
});

/** A container that prints what is said to the socket /notify/socket, which it shares. */
async function startManager(): Promise<Container> {
  const listen = `unlink "/notify/socket"; socket(S, AF_UNIX, SOCK_DGRAM, 0);
    bind(S, pack_sockaddr_un("/notify/socket")) or die; $| = 1; print "listens\n";
    print "$_\n" while defined(recv(S, $_, 4096, 0))`;
  const command = ["perl", "-MSocket", "-e", listen];
  const manager = await startContainer(command, { from: image, options: ["-v", "/notify"] });
  await manager.says("listens\n");
  return manager;
}

const optionsFor = (manager: Container) => [
  ...["--volumes-from", manager.name],
  ...["-e", "NOTIFY_SOCKET=/notify/socket"],
];

Deno.test("my_init says READY=1 to its own NOTIFY_SOCKET when all services are ready", async () => {
  await using manager = await startManager();
  await using derived = await withServices({
    db: { run: waiter(), "notification-fd": "socket\n" },
    web: { run: sleeper("web starts"), check: "#!/bin/sh\n[ -e /tmp/web ]\n" },
    off: { run: sleeper("off starts"), down: "" },
  });
  await using container = await startContainer([], {
    from: derived.name,
    options: optionsFor(manager),
  });
  const said = async () => (await manager.logs()).stdout;
  await container.says("READY=1 waits for service db, not ready after 10 s", 60);
  await container.sh("touch /tmp/ready");
  await until(async () => /, ready/.test(await healthy(container, "db")), 30);
  assertEquals(await said(), "listens\n"); // What a service says goes to my_init alone.
  await container.sh("touch /tmp/web");
  await until(async () => await said() === "listens\nREADY=1\n", 30);
  await until(async () => (await container.exec("test", "-e", "/proc/1/fd/250")).status === 0, 30); // It sleeps.
  await container.sh("sv restart db");
  assertEquals(await container.stop(), 0);
  await until(async () => await said() === "listens\nREADY=1\nSTOPPING=1\n");
});

Deno.test("of the image's programs only my_init says READY=1", async () => {
  await using manager = await startManager();
  await using container = await startContainer([], {
    from: image,
    options: [...optionsFor(manager), "-e", "ENABLE_SSH=1"],
  });
  await manager.says("READY=1", 60);
  await until(async () => /sshd: .*, ready/.test(await healthy(container)), 30);
  await container.sh("sv restart sshd syslog-ng; ! grep NOTIFY /etc/container_environment.sh");
  assertEquals(await container.stop(), 0);
  const said = async () => (await manager.logs()).stdout;
  await until(async () => await said() === "listens\nREADY=1\nSTOPPING=1\n");
});
