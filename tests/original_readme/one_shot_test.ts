// "Running a one-shot command in a new container"
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { image } from "../support/container.ts";
import { typed } from "../support/reader.ts";

Deno.test("my_init -- ls runs ls, with startup files and runit around it", async () => {
  const { status, stdout, stderr } = await typed(`docker run --rm ${image} /sbin/my_init -- ls`);
  assertEquals(status, 0);
  for (const name of ["bin", "etc", "sbin", "usr", "var"]) {
    assertStringIncludes(stdout, `${name}\n`);
  }
  const story = [
    "Running /etc/rc.local...",
    "Booting runit daemon...",
    "Runit started as PID \\d+",
    "Running ls...",
    "ls exited with status 0.",
    "Shutting down runit daemon (PID \\d+)...",
    "Killing all processes...",
  ].map((it) => `\\*\\*\\* ${it.replace(/[.()]/g, "\\$&")}\n`);
  assertMatch(stderr, new RegExp(story.join("(?:.*\n)*?")));
});

Deno.test("--skip-startup-files --quiet prints what the command prints, and nothing else", async () => {
  const bare = await typed(`docker run --rm ${image} ls`);
  assertEquals(
    await typed(`docker run --rm ${image} /sbin/my_init --skip-startup-files --quiet -- ls`),
    { status: 0, stdout: bare.stdout, stderr: "" },
  );
});

Deno.test("the command finds the services, and its status is the container's", async () => {
  const script = "until pidof cron; do sleep 0.05; done; exit 7";
  const { status } = await typed(`docker run --rm ${image} /sbin/my_init -- sh -c '${script}'`);
  assertEquals(status, 7);
});

Deno.test("my_init --help tells of the options", async () => {
  const { status, stdout } = await typed(`docker run --rm ${image} /sbin/my_init --help`);
  assertEquals(status, 0);
  for (
    const option of [
      "--enable-insecure-key",
      "--skip-startup-files",
      "--skip-runit",
      "--no-kill-all-on-exit",
      "--quiet",
    ]
  ) {
    assertStringIncludes(stdout, option);
  }
});
