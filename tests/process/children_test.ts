import { assert, assertEquals } from "@std/assert";
import { runInit, sh, startInit } from "../support/namespace.ts";
import { DIRECTORIES, inEachDirectory, script, showSignals } from "../support/programs.ts";

/** What Unix programs can ignore: 32 and 33 are glibc's own, which its posix_spawn leaves ignored. */
const OURS = ~(3n << 31n) & 0xffffffffffffffffn;

function masks(text: string | undefined): Record<string, string> {
  const fields = [...(text ?? "").matchAll(/^(\w+):\s*(\w+)$/gm)];
  return Object.fromEntries(
    fields.map(([, name, hex]) => [name, (BigInt("0x" + hex) & OURS).toString(16)]),
  );
}

/** Starts my_init as a careless parent may: with every signal ignored and blocked that can be. */
const careless = "trap '' HUP INT QUIT USR1 USR2 PIPE ALRM TERM CHLD TSTP TTIN TTOU XFSZ WINCH";

for (const before of ["", careless]) {
  const how = before ? "whatever my_init inherited" : "and none is blocked";
  Deno.test(`no signal is ignored in the main command or a script, ${how} (B2, B3)`, async () => {
    const show = (who: string) => script(`${showSignals()} >/mnt/${who}`);
    const files = { "/mnt/main": show("main"), ...inEachDirectory(show) };
    await using init = await startInit(["--skip-runit", "--", "/mnt/main"], { before, files });
    await init.end();
    for (const who of ["main", ...DIRECTORIES]) {
      assertEquals(masks(init.read(`/mnt/${who}`)), { SigBlk: "0", SigIgn: "0" }, who);
    }
  });
}

Deno.test("a command or a script has the open files that the container was given, and none of ours", async () => {
  const list = `#!/usr/bin/perl
    opendir(my $folder, "/proc/self/fd");
    for my $number (readdir $folder) {
      my $file = readlink("/proc/self/fd/$number") or next;
      print "$number\\n" unless $file eq $0 or $file =~ m{^/proc/};
    }
  `;
  const { stdout } = await runInit(["--quiet", "--skip-runit", "--", "/mnt/list"], {
    before: "exec 3</etc/passwd 4>/mnt/open 9</dev/null; /mnt/list",
    files: { "/mnt/list": list, ...inEachDirectory(() => list) },
  });
  const given = stdout.slice(0, stdout.length / 5);
  assert(given.includes("\n2\n3\n4\n9\n"), given);
  assertEquals(stdout, given.repeat(5));
});

interface Prints {
  script: string;
  stdout: string;
  before?: string;
  env?: Record<string, string>;
}

const prints: Record<string, Prints> = {
  "yes | head ends yes by SIGPIPE: 141 (B2)": {
    script: "bash -c 'yes | head -1; echo ${PIPESTATUS[@]}'",
    stdout: "y\n141 0\n",
  },
  "a command that exceeds its file size limit dies by SIGXFSZ: 153 (B2)": {
    script: "bash -c 'ulimit -c 0 -f 1; exec head -c 100000 /dev/zero >/mnt/big'; echo $?",
    stdout: "153\n",
  },
  "without a terminal the main command leads no process group, so setsid does not fork": {
    script:
      "set -- $(cat /proc/$$/stat); echo $(($4 == 1)) $(($5 == $$)); exec setsid echo it lives",
    stdout: "1 0\nit lives\n",
  },
  "what an ENTRYPOINT opens reaches the main command": {
    before: "exec 3>&1",
    script: "echo hi >&3",
    stdout: "hi\n",
  },
  "LISTEN_FDS reaches the main command, with LISTEN_PID rewritten": {
    before: "exec 3</etc/passwd",
    env: { LISTEN_FDS: "1", LISTEN_PID: "1" },
    script: "echo $LISTEN_FDS $(($LISTEN_PID == $$)); head -c 4 <&3",
    stdout: "1 1\nroot",
  },
  "another user may open /dev/stdout and /dev/stderr by name, where they are pipes": {
    script:
      "setuser nobody sh -c 'echo out >/dev/stdout; echo err >/dev/stderr' 2>/dev/null; echo $?",
    stdout: "out\n0\n",
  },
  "the working folder, the umask and the limits are those that my_init was given": {
    before: "cd /mnt; umask 027; ulimit -n 333; renice -n 5 -p $$ >/dev/null",
    script: "pwd; umask; ulimit -n; nice",
    stdout: "/mnt\n0027\n333\n5\n",
  },
};
for (const [what, { script, stdout, before, env }] of Object.entries(prints)) {
  Deno.test(what, async () => {
    assertEquals((await runInit(["--quiet", ...sh(script)], { before, env })).stdout, stdout);
  });
}
