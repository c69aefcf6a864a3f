// The process tests run on this machine's libc; these repeat what depends on libc on the image's own.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { derive, restrictions, runContainer, startContainer } from "../support/container.ts";
import { quote } from "../support/namespace.ts";
import { CLEAN_SIGNALS, onTerm, say, script, showSignals } from "../support/programs.ts";
import { until } from "../support/until.ts";

Deno.test("statuses and reasons are the same on the image's libc (B1, B21, B28)", async () => {
  await using container = await startContainer(["my_init", "--skip-startup-files"]);
  await container.booted();
  await container.sh(
    "mkdir /t; echo no >/t/plain; echo 'echo no' >/t/nointerp; printf '#!/nosuch\\n' >/t/badinterp; printf '\\177ELF\\2\\1\\1\\0junk' >/t/badelf; chmod +x /t/nointerp /t/badinterp /t/badelf",
  );
  const cases: [string, number, string][] = [
    ["sh -c 'exit 3'", 3, ""],
    ["sh -c 'kill -KILL $$'", 137, ""],
    ["sh -c 'kill -TERM $$'", 143, ""],
    ["nosuch", 127, "not found in PATH"],
    ["/nosuch", 127, "no such file"],
    ["/t", 126, "is a directory"],
    ["/t/plain", 126, "is not executable"],
    ["/t/nointerp", 126, "no interpreter line"],
    ["/t/badinterp", 127, "the interpreter /nosuch of /t/badinterp does not exist"],
  ];
  for (const [command, expected, reason] of cases) {
    const script =
      `my_init --quiet --skip-runit --skip-startup-files -- ${command} 2>&1; echo status=$?`;
    const output = await container.sh(script);
    assertStringIncludes(output, `status=${expected}\n`, command);
    assertStringIncludes(output, reason, command);
    const setuser = await container.sh(`setuser nobody ${command} 2>&1; echo status=$?`);
    assertStringIncludes(setuser, `status=${expected}\n`, `setuser ${command}`);
    assertStringIncludes(setuser, reason, `setuser ${command}`);
  }
});

Deno.test("signals are clean for the main command, and under setuser, on the image's libc (B2)", async () => {
  const options = ["my_init", "--quiet", "--skip-startup-files", "--"];
  const { stdout } = await runContainer([
    ...options,
    "bash",
    "-c",
    `sh -c '${showSignals()}'; setuser nobody sh -c '${showSignals()}'; yes | head -1; echo \${PIPESTATUS[@]}; ls /proc/self/fd`,
  ]);
  assertEquals(stdout, CLEAN_SIGNALS.repeat(2) + "y\n141 0\n0\n1\n2\n3\n");
});

Deno.test("echo 'exit 3' | docker run -i … my_init -- sh ends with 3", async () => {
  const { status } = await runContainer(
    ["my_init", "--quiet", "--skip-startup-files", "--", "sh"],
    { stdin: "exit 3\n" },
  );
  assertEquals(status, 3);
});

Deno.test("a burst of 2,000 orphans leaves no zombie in the container", async () => {
  const script =
    "for r in $(seq 20); do (for i in $(seq 100); do true & done); done; sleep 0.3; ps -eo stat= | grep -c ^Z; exit 3";
  const { status, stdout } = await runContainer([
    "my_init",
    "--quiet",
    "--skip-startup-files",
    "--",
    "sh",
    "-c",
    script,
  ]);
  assertEquals([status, stdout], [3, "0\n"]);
});

Deno.test("arguments and environment stay bytes, also on the image's libc", async () => {
  const script =
    "A=$(printf '\\377\\n\\344x') my_init --quiet --skip-runit --skip-startup-files -- sh -c 'printf %s \"$A\" | od -An -tx1; printf %s \"$0\" | od -An -tx1' \"$(printf '\\200\\377')\" 2>/dev/null";
  const { stdout } = await runContainer(["sh", "-c", script]);
  assertEquals(stdout, " ff 0a e4 78\n 80 ff\n");
});

/** The warnings of my_init in such a container. */
function warningsUnder(options: string[]): string[] {
  const isUser = options.includes("-u"), isReadOnly = options.includes("--read-only");
  if (!isUser && !isReadOnly) return [];
  const environment = isUser
    ? "Cannot list /etc/container_environment: "
    : "Cannot write /etc/container_environment/";
  return [environment, "Cannot write below /etc/service: "];
}

Deno.test("restricted containers boot, run services and command, warn once, and stop cleanly (B9, W3)", async (test) => {
  await using image = await derive(
    "COPY service /etc/service/a/run\nCOPY finish /etc/service/a/finish\nCOPY post /etc/my_init.post_shutdown.d/post",
    {
      service: script("echo service ready; exec sleep 1000"),
      finish: say("service finished"),
      post: say("post"),
    },
  );
  const command = onTerm("exit 3", "echo main $A");
  for (const [what, options] of Object.entries(restrictions)) {
    const warnings = warningsUnder(options);
    await test.step(`under ${what}`, async () => {
      await using container = await startContainer(["my_init", "--", "sh", "-c", command], {
        from: image.name,
        options: [...options, "-e", "A=b"],
      });
      await container.says("main b\n");
      await container.says("service ready\n");
      assertEquals(await container.stop(), 3);
      const { stdout, stderr } = await container.logs();
      assert(stdout.endsWith("service finished\npost\n"), stdout);
      for (const warning of warnings) {
        assertEquals(stderr.split(`*** ${warning}`).length, 2, `${warning} once in ${stderr}`);
      }
      const lines = stderr.split("\n").filter((line) => line.startsWith("*** "));
      assertEquals(lines, [...new Set(lines)], "nothing twice");
      assert(!/Internal error|in time/.test(stderr), stderr);
    });
  }
});

Deno.test("another user who is in the group docker_env gets what a Dockerfile put into the environment", async () => {
  await using image = await derive("RUN echo of the image >/etc/container_environment/FROM_FILE");
  const { stdout } = await runContainer(
    ["my_init", "--quiet", "--skip-runit", "--", "sh", "-c", "echo $FROM_FILE"],
    {
      from: image.name,
      options: ["-u", "1000", "--group-add", "docker_env"],
    },
  );
  assertEquals(stdout, "of the image\n");
});

Deno.test("a ConfigMap as the environment's directory, and a secret's file, reach the command (B8, W20)", async () => {
  const folder = await Deno.makeTempDir({ prefix: "mounts-" });
  try {
    const data = `${folder}/config/..2026_11_24`;
    await Deno.mkdir(data, { recursive: true });
    await Deno.writeTextFile(`${data}/ONE`, "one");
    await Deno.symlink("..2026_11_24", `${folder}/config/..data`);
    await Deno.symlink("..data/ONE", `${folder}/config/ONE`);
    await Deno.writeTextFile(`${folder}/token`, "s3cret\n");
    const { status, stdout } = await runContainer(
      ["my_init", "--quiet", "--", "sh", "-c", "echo $ONE $TOKEN; env | grep -c 2026"],
      {
        options: [
          ...["-v", `${folder}/config:/etc/container_environment:ro`],
          ...["-v", `${folder}/token:/run/secrets/token:ro`],
          ...["-e", "FILE__TOKEN=/run/secrets/token"],
        ],
      },
    );
    assertEquals([status, stdout], [1, "one s3cret\n0\n"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("not as PID 1, behind a shell or docker's own init, services are stopped and the status is kept (B18)", async () => {
  const words = ["my_init", "--skip-startup-files", "--", "sh", "-c", "sleep 0.5; exit 3"];
  const script = `sleep 1000 & ${quote(...words)}; echo status $?; pgrep -l . | sort -k2`;
  const behindShell = await runContainer(["sh", "-c", script]);
  assertMatch(behindShell.stdout, /^status 3\n(\d+ (pgrep|sh|sleep|sort)\n)+$/);
  assertMatch(behindShell.stdout, / sleep\n/, "whoever is not ours lives");
  assertEquals((await runContainer(words, { options: ["--init"] })).status, 3);
});

Deno.test("variables that mean something to shells and tools do not change the boot", async () => {
  const variables = {
    ...{ POSIXLY_CORRECT: "1", EUID: "1000", UID: "1000", IFS: "/o", CDPATH: "/", ENV: "/nosuch" },
    ...{ BASH_ENV: "/nosuch", SHELLOPTS: "noexec", BASHOPTS: "extglob", GREP_OPTIONS: "-v" },
    ...{ TAPE: "x", LS_OPTIONS: "x", POSIX_ME_HARDER: "1", PS4: "$(echo)" },
  };
  await using container = await startContainer(["/sbin/my_init", "--enable-insecure-key"], {
    options: Object.entries(variables).flatMap(([name, value]) => ["-e", `${name}=${value}`]),
  });
  const key = "-o StrictHostKeyChecking=no -o LogLevel=ERROR -i /etc/insecure_key";
  await container.booted();
  const login = ["ssh", ...key.split(" "), "root@127.0.0.1", "logger", "logged in"];
  await until(async () => (await container.exec(...login)).status === 0, 30);
  await container.says("logged in");
  assertEquals(await container.stop(), 0);
  const { stderr } = await container.logs();
  assertEquals(stderr.match(/^.*(failed|cannot|sh: |: line ).*$/gim), null);
});
