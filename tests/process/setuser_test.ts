import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CLEAN_SIGNALS, showSignals } from "../support/programs.ts";
import { PATH, run, type Setting } from "../support/namespace.ts";
import { type Refusal, refusals } from "./refusals.ts";

const files = {
  "/etc/passwd": `root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
joe:x:1234:1235:Joe:/home/joe:/bin/dash
4000:x:4001:4002:numeric name:/home/4000:/bin/sh
homeless:x:1300:1300:::
`,
  "/etc/group": `root:x:0:
nogroup:x:65534:
joe:x:1235:
extra:x:5000:joe,root
more:x:5001:joe
others:x:5002:nobody
55:x:5003:
`,
  "/etc/nsswitch.conf": "passwd: files\ngroup: files\n",
  "/mnt/show":
    '#!/bin/sh\necho "$(id -u):$(id -g):$(id -G)" "$USER $LOGNAME $HOME $SHELL $UID $GID"\n',
};

function setuser(words: string[], setting: Setting = {}) {
  return run(["setuser", ...words], { files, ...setting });
}

/** Runs setuser as another user than root. */
function setuserAs(identity: string, words: string, setting: Setting = {}) {
  return run(["sh", "-c", `exec setpriv ${identity} setuser ${words}`], { files, ...setting });
}

const whos: Record<string, string> = {
  "joe": "1234:1235:1235 5000 5001 joe joe /home/joe /bin/dash 1234 1235",
  "1234": "1234:1235:1235 5000 5001 joe joe /home/joe /bin/dash 1234 1235",
  "joe:extra": "1234:5000:5000 joe joe /home/joe /bin/dash 1234 5000",
  "joe:5002": "1234:5002:5002 joe joe /home/joe /bin/dash 1234 5002",
  "1234:nogroup": "1234:65534:65534 joe joe /home/joe /bin/dash 1234 65534",
  "joe:7777": "1234:7777:7777 joe joe /home/joe /bin/dash 1234 7777",
  "nobody": "65534:65534:65534 5002 nobody nobody /nonexistent /usr/sbin/nologin 65534 65534",
  "root": "0:0:0 5000 root root /root /bin/bash 0 0",
  "root:root": "0:0:0 root root /root /bin/bash 0 0",
  "0": "0:0:0 5000 root root /root /bin/bash 0 0",
  "2000": "2000:0:0 2000 2000 / /bin/sh 2000 0",
  "2000:2001": "2000:2001:2001 2000 2000 / /bin/sh 2000 2001",
  "2000:extra": "2000:5000:5000 2000 2000 / /bin/sh 2000 5000",
  "4000": "4001:4002:4002 4000 4000 /home/4000 /bin/sh 4001 4002",
  "homeless": "1300:1300:1300 homeless homeless / /bin/sh 1300 1300",
};
for (const [who, expected] of Object.entries(whos)) {
  Deno.test(`setuser ${who} gives uid, gid, groups and variables of that user`, async () => {
    const env = { USER: "x", LOGNAME: "x", HOME: "/x", SHELL: "/x", UID: "x", GID: "x" };
    const result = await setuser([who, "/mnt/show"], { env });
    assertEquals(result, { status: 0, stdout: expected + "\n", stderr: "" });
  });
}

Deno.test("--help says which group a number has that nobody has", async () => {
  const { stdout } = await setuser(["--help"]);
  assertMatch(stdout, /A number that nobody has keeps the\s+caller's group/);
});

Deno.test("variables that shells and option parsers obey are like any other", async () => {
  const env = { POSIXLY_CORRECT: "1", BASH_ENV: "/nosuch", ENV: "/nosuch", OPTIND: "x", EUID: "7" };
  const { status, stdout } = await setuser(["joe", "cat", "/proc/self/environ"], { env });
  assertEquals(status, 0);
  for (const [name, value] of Object.entries(env)) {
    assert(stdout.split("\0").includes(`${name}=${value}`), name);
  }
});

Deno.test("a user without a number in the user database has the gid of the caller", async () => {
  const result = await setuserAs("--regid 1235 --clear-groups", "2000 /mnt/show");
  assertEquals(result.stdout, "2000:1235:1235 2000 2000 / /bin/sh 2000 1235\n");
});

const unknown: Record<string, string> = {
  "nosuch": "setuser: user nosuch not found\n",
  "joe:nosuch": "setuser: group nosuch not found\n",
  "4294967295": "setuser: user 4294967295 not found\n",
  "-1": "setuser: unknown option -1; see setuser --help\n",
  "99999999999": "setuser: user 99999999999 not found\n",
  "joe:4294967295": "setuser: group 4294967295 not found\n",
  "1234x": "setuser: user 1234x not found\n",
  "": "setuser: user  not found\n",
  ":extra": "setuser: user  not found\n",
  "joe:": "setuser: group  not found\n",
};
for (const [who, line] of Object.entries(unknown)) {
  Deno.test(`setuser '${who}' is refused in one line, and runs nothing`, async () => {
    assertEquals(await setuser([who, "echo", "ran"]), { status: 1, stdout: "", stderr: line });
  });
}

Deno.test("without user or command the usage is printed, with status 1", async () => {
  for (const words of [[], ["joe"]]) {
    const { status, stdout, stderr } = await setuser(words);
    assertEquals([status, stdout, stderr], [
      1,
      "",
      "setuser: usage: setuser USER[:GROUP] COMMAND [ARGUMENT]...\n",
    ]);
  }
});

Deno.test("--help, -h and --version print on standard output", async () => {
  for (const option of ["--help", "-h"]) {
    const { status, stdout, stderr } = await setuser([option]);
    assertEquals([status, stderr], [0, ""]);
    assertMatch(stdout, /^Usage: setuser USER/);
  }
  assertMatch((await setuser(["--version"])).stdout, /^setuser \d+\.\d+\.\d+\n$/);
});

Deno.test("words after the user belong to the command, --help and -- included", async () => {
  const { stdout } = await setuser(["root", "echo", "--help", "--", "-h", "--version"]);
  assertEquals(stdout, "--help -- -h --version\n");
});

Deno.test("a -- after the user is the command, and is not found", async () => {
  assertEquals((await setuser(["root", "--", "echo"])).status, 127);
});

Deno.test("it is exec: the command has the PID of setuser", async () => {
  assertEquals((await setuser(["joe", "sh", "-c", "echo $$"])).stdout, "1\n");
});

Deno.test("the command's status and signal are its own", async () => {
  assertEquals((await setuser(["joe", "sh", "-c", "exit 42"])).status, 42);
  const killed = await run(["sh", "-c", "setuser joe sh -c 'kill -KILL $$'; echo $?"], { files });
  assertStringIncludes(killed.stdout, "137");
});

const forUser: Record<string, Refusal> = {
  ...refusals,
  "a file that this user may not execute": {
    status: 126,
    reason: "permission denied for /mnt/x\n",
    before: "cp /mnt/show /mnt/x; chmod 700 /mnt/x",
  },
};
for (
  const [what, { status, reason, words = ["/mnt/x"], ...setting }] of Object.entries(forUser)
) {
  Deno.test(`setuser gives ${status} for ${what}, and the reason in one line (B28)`, async () => {
    const result = await setuser(["joe", ...words], {
      ...setting,
      files: { ...files, ...setting.files },
    });
    assertEquals([result.status, result.stdout], [status, ""], result.stderr);
    assertStringIncludes(result.stderr, reason);
    assertMatch(result.stderr, /^setuser: cannot execute .*: .*\n$/);
  });
}

Deno.test("the command is looked for in PATH, with the rights of the new user", async () => {
  const result = await setuser(["joe", "tool"], {
    env: { PATH: `/mnt/closed:/mnt/open:${PATH}` },
    before:
      "mkdir /mnt/closed /mnt/open; echo '#!/bin/sh\necho closed' >/mnt/closed/tool; echo '#!/bin/sh\necho open' >/mnt/open/tool; chmod 755 /mnt/*/tool; chmod 700 /mnt/closed",
  });
  assertEquals(result, { status: 0, stdout: "open\n", stderr: "" });
});

Deno.test("not root cannot become another user, and one line says so (B28)", async () => {
  for (const who of ["nobody", "root", "joe:extra"]) {
    const { status, stdout, stderr } = await setuserAs(
      "--reuid 1234 --regid 1235 --clear-groups",
      `${who} echo ran`,
    );
    assertEquals([status, stdout], [1, ""]);
    assertMatch(stderr, /^setuser: cannot become .*\n$/);
  }
});

Deno.test("as that user already it just runs, nested too (B28)", async () => {
  for (
    const words of ["joe /mnt/show", "joe setuser joe setuser 1234 /mnt/show", "joe:joe /mnt/show"]
  ) {
    const { status, stdout, stderr } = await setuserAs(
      "--reuid 1234 --regid 1235 --init-groups",
      words,
    );
    assertEquals([status, stderr], [0, ""], words);
    assertMatch(stdout, /^1234:1235:1235 .*joe joe \/home\/joe \/bin\/dash 1234 1235\n$/);
  }
  const nested = await setuser(["joe", "setuser", "joe", "/mnt/show"]);
  assertEquals(nested, { status: 0, stdout: whos.joe + "\n", stderr: "" });
});

Deno.test("root without the capability to change ids gets one line about it (B28)", async () => {
  const { status, stdout, stderr } = await setuserAs(
    "--bounding-set -all --inh-caps -all",
    "joe echo ran",
  );
  assertEquals([status, stdout], [1, ""]);
  assertMatch(stderr, /^setuser: cannot become joe.*\n$/);
});

Deno.test("a variable that is too large for any program is named, with status 126", async () => {
  const passwd = files["/etc/passwd"] + `far:x:1400:1400::/${"h".repeat(131_071)}:\n`;
  const result = await setuser(["far", "echo", "ran"], {
    files: { ...files, "/etc/passwd": passwd },
  });
  assertEquals(result, {
    status: 126,
    stdout: "",
    stderr:
      "setuser: cannot execute echo: variable HOME has 131077 bytes, more than a program can be given (131071 bytes)\n",
  });
});

Deno.test("there is no way back: ids are real, effective and saved ones alike", async () => {
  const { stdout } = await setuser([
    "joe",
    "grep",
    "-E",
    "^(Uid|Gid|CapEff|CapPrm)",
    "/proc/self/status",
  ]);
  assertEquals(
    stdout,
    "Uid:\t1234\t1234\t1234\t1234\nGid:\t1235\t1235\t1235\t1235\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n",
  );
});

Deno.test("all other variables and all arguments pass byte by byte", async () => {
  const env = {
    BYTES: "\xff\xfe\x80",
    NEWLINES: "\na\r\nb\n\n",
    EMPTY: "",
    "a.b": "x",
    "1abc": "y",
    LONG: "x".repeat(100_000),
  };
  const { stdout } = await setuser(["joe", "cat", "/proc/self/environ"], { env });
  const variables = stdout.split("\0").slice(0, -1);
  for (const [name, value] of Object.entries({ ...env, PATH })) {
    assert(variables.includes(`${name}=${value}`), name);
  }
  const words = ["", "\xff\xfe", "a\nb", "--", "x".repeat(100_000)];
  const printed = await setuser(["joe", "printf", "%s\\0", ...words]);
  assertEquals(printed.stdout.split("\0").slice(0, -1), words);
});

Deno.test("a setuser without PATH finds its command anyway", async () => {
  const { status, stdout } = await run([
    "/usr/bin/env",
    "-u",
    "PATH",
    "/mnt/bin/setuser",
    "root",
    "echo",
    "x",
  ], { files });
  assertEquals([status, stdout], [0, "x\n"]);
});

Deno.test("the command has clean signals, whatever setuser inherited (B2, B28)", async () => {
  for (const before of ["", "trap '' HUP INT QUIT USR1 PIPE TERM CHLD XFSZ TSTP"]) {
    const { stdout } = await setuser(["joe", "sh", "-c", showSignals()], { before });
    assertEquals(stdout, CLEAN_SIGNALS, before);
  }
  const piped = await setuser(["joe", "bash", "-c", "yes | head -1; echo ${PIPESTATUS[@]}"]);
  assertEquals(piped.stdout, "y\n141 0\n");
});

Deno.test("the command keeps working directory, standard input, and open files that were passed on purpose", async () => {
  const { stdout } = await setuser(["joe", "sh", "-c", "pwd; cat; cat <&5"], {
    before: "cd /etc; echo five >/mnt/five; exec 5</mnt/five",
    stdin: "in\n",
  });
  assertEquals(stdout, "/etc\nin\nfive\n");
});

Deno.test("the command has no open file of setuser's own", async () => {
  const list = ["ls", "/proc/self/fd"];
  assertEquals((await setuser(["root", ...list])).stdout, (await run(list)).stdout);
});

Deno.test("setuser leaves nothing behind in /tmp", async () => {
  const { stdout } = await setuser(["joe", "ls", "-A", "/tmp", "/var/tmp"], {
    before: "mount -t tmpfs t /tmp; mount -t tmpfs t /var/tmp",
  });
  assertEquals(stdout, "/tmp:\n\n/var/tmp:\n");
});

Deno.test("a user of 200 groups has them all", async () => {
  const many = Array.from({ length: 200 }, (_, index) => `g${index}:x:${6000 + index}:joe\n`).join(
    "",
  );
  const { stdout } = await setuser(["joe", "id", "-G"], {
    files: { ...files, "/etc/group": files["/etc/group"] + many },
  });
  assertEquals(stdout.trim().split(" ").length, 203);
});

Deno.test("a broken user database is an error, or numbers still work, but never another user", async () => {
  const { status, stdout } = await setuser(["1234", "id", "-u"], {
    before: "rm /etc/passwd /etc/group /etc/nsswitch.conf",
  });
  assertEquals([status, stdout], [0, "1234\n"]);
  assertEquals((await setuser(["joe", "id", "-u"], { before: "rm /etc/passwd" })).status, 1);
});

Deno.test("in the usual case Deno is not loaded: setuser needs hardly any memory", async () => {
  const words = 'ulimit -v 200000; exec setuser "$@"'; // Deno reserves gigabytes.
  for (const [who, expected] of Object.entries(whos)) {
    const { stdout } = await run(["sh", "-c", words, "sh", who, "/mnt/show"], { files });
    assertEquals(stdout, expected + "\n");
  }
});

const unusual: Record<string, Setting> = {
  "another source of NSS": {
    files: { ...files, "/etc/nsswitch.conf": "passwd: files nosuch\ngroup: files\n" },
  },
  "a running nscd": { before: "mkdir -p /var/run/nscd; : >/var/run/nscd/socket" },
  "a line that is not quite right": {
    files: { ...files, "/etc/passwd": "+x\n" + files["/etc/passwd"] },
  },
  "a variable LD_PRELOAD": { env: { LD_PRELOAD: "" } },
};
for (const [what, setting] of Object.entries(unusual)) {
  Deno.test(`with ${what} setuser goes through glibc, to the same effect`, async () => {
    const before = `mount -t tmpfs t /var/run; ${setting.before ?? ""}`;
    const all = { files, ...setting, before };
    assertEquals((await setuser(["joe", "/mnt/show"], all)).stdout, whos.joe + "\n");
    const words = ["sh", "-c", "ulimit -v 200000; setuser joe /mnt/show"];
    assertEquals((await run(words, all)).stdout, ""); // Deno was needed.
  });
}

Deno.test("a command that cannot be executed leaves setuser as it was: ignored signals too", async () => {
  const { status, stderr } = await setuser(["joe", "/mnt/x", "a"], {
    before: "trap '' HUP; printf '\\177ELF\\0' >/mnt/x; chmod 755 /mnt/x",
  });
  assertEquals(status, 126);
  assertMatch(stderr, /^setuser: cannot execute \/mnt\/x: .*\n$/);
});
