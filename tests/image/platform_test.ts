// The process tests run on this machine's libc; these repeat what depends on libc on the image's own.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runContainer, startContainer } from "../support/container.ts";

Deno.test("statuses and reasons are the same on the image's libc", async () => {
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
    ["/t", 126, "is a folder"],
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
  const show =
    "while read -r line; do case $line in SigBlk*|SigIgn*) echo $line ;; esac; done </proc/$$/status";
  const clean = "SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n";
  const options = ["my_init", "--quiet", "--skip-startup-files", "--"];
  const { stdout } = await runContainer([
    ...options,
    "bash",
    "-c",
    `sh -c '${show}'; setuser nobody sh -c '${show}'; yes | head -1; echo \${PIPESTATUS[@]}; ls /proc/self/fd`,
  ]);
  assertEquals(stdout, clean + clean + "y\n141 0\n0\n1\n2\n3\n");
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

Deno.test("what is passed on is bytes, on the image's libc too", async () => {
  const script =
    "A=$(printf '\\377\\n\\344x') my_init --quiet --skip-runit --skip-startup-files -- sh -c 'printf %s \"$A\" | od -An -tx1; printf %s \"$0\" | od -An -tx1' \"$(printf '\\200\\377')\" 2>/dev/null";
  const { stdout } = await runContainer(["sh", "-c", script]);
  assertEquals(stdout, " ff 0a e4 78\n 80 ff\n");
});

const restricted: Record<string, string[]> = {
  "any user id": ["-u", "1000:1000"],
  "a read-only root": ["--read-only"],
  "no capabilities and no new privileges": [
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
  ],
  "all of them together": [
    "-u",
    "1000:1000",
    "--read-only",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
  ],
};
for (const [what, options] of Object.entries(restricted)) {
  Deno.test(`under ${what} it boots, runs the command, and stops cleanly (B9, W3)`, async () => {
    const { status, stdout } = await runContainer([
      "my_init",
      "--",
      "sh",
      "-c",
      "echo main $A; exit 3",
    ], { options: [...options, "-e", "A=b"] });
    assertEquals(status, 3);
    assertStringIncludes(stdout, "main b\n");
    await using container = await startContainer([], { options });
    await container.booted();
    assertEquals(await container.stop(), 0);
    const { stderr } = await container.logs();
    assert(!stderr.includes("Internal error"), stderr);
  });
}
