import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { PATH, runInit, type Setting, sh, startInit } from "../support/namespace.ts";

/** Prints the environment: NAME=value, a NUL after each. */
const show = ["--quiet", "--skip-runit", "--", "cat", "/proc/self/environ"];
const script = { "/etc/my_init.d/x": "#!/bin/sh\ntrue\n" };
const directory = { "/etc/container_environment/PRESENT": "yes" };

/** Runs my_init. Returns the environment of its command, and the content of its files afterwards. */
async function environmentOf(setting: Setting) {
  await using init = await startInit(show, setting);
  const { status, stdout, stderr } = await init.end();
  assertEquals(status, 0, stderr);
  const variables = stdout.split("\0").slice(0, -1).map((text) => {
    const at = text.indexOf("=");
    return [text.slice(0, at), text.slice(at + 1)];
  });
  const read = (name: string) => init.read(`/etc/container_environment${name}`);
  const stored: Record<string, string | undefined> = {};
  try {
    for (const { name, isFile } of Deno.readDirSync(`${init.folder}/etc/container_environment`)) {
      if (isFile) stored[name] = read(`/${name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const env: Record<string, string> = Object.fromEntries(variables);
  const shell = read(".sh");
  return {
    env,
    stored,
    shell,
    json: read(".json"),
    stderr,
    modes: [".sh", ".json", "/A"].map((name) => {
      const path = `${init.folder}/etc/container_environment${name}`;
      if (stored.A === undefined || shell === undefined) return "";
      const { mode, uid, gid } = Deno.statSync(path);
      return `${(mode! & 0o7777).toString(8)} ${uid}:${gid}`;
    }),
  };
}

const awkward: Record<string, string> = {
  EMPTY: "",
  SPACE: " a  b ",
  CRLF: "a\r\nb",
  NEWLINE: "a\n",
  NEWLINES: "\na\n\n\n",
  ONLY_NEWLINE: "\n",
  LATIN: "\xe4\xf6\xfc",
  NOT_UTF8: "\xff\xfe\x80",
  UTF8: "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
  BOM: "\xef\xbb\xbfx",
  QUOTES: `'"\`$HOME\\ $(id) !`,
  EQUALS: "a=b=c",
  CONTROL: Array.from({ length: 31 }, (_, index) => String.fromCharCode(index + 1)).join(""),
  LONG: "x".repeat(130_000),
  _: "underscore",
};

Deno.test("every value reaches the command unchanged, without a directory", async () => {
  const { env, stderr, stored, shell, json } = await environmentOf({ env: awkward, files: script });
  assertEquals(env, { ...awkward, PATH });
  assertEquals(stderr, "");
  assertEquals([stored, shell, json], [{}, undefined, undefined], "no directory, no dumps");
});

Deno.test("every value reaches the command unchanged, through directory and scripts (B6, W5)", async () => {
  const { env, stderr, stored } = await environmentOf({
    env: awkward,
    files: { ...script, ...directory },
  });
  assertEquals(env, { ...awkward, PRESENT: "yes", PATH });
  assertEquals(stderr, "");
  for (const [name, value] of Object.entries(awkward)) {
    assertEquals(stored[name], value.endsWith("\n") ? value + "\n" : value, name);
  }
});

Deno.test("of several newlines at the end of a file one is removed", async () => {
  const { env } = await environmentOf({
    files: {
      "/etc/container_environment/NONE": "a",
      "/etc/container_environment/ONE": "a\n",
      "/etc/container_environment/TWO": "a\n\n",
      "/etc/container_environment/CRLF": "a\r\n",
      "/etc/container_environment/BLANK": "\n",
      "/etc/container_environment/EMPTY": "",
    },
  });
  assertEquals(env, { NONE: "a", ONE: "a", TWO: "a\n", CRLF: "a\r", BLANK: "", EMPTY: "", PATH });
});

Deno.test("a variable that the container was given wins over the directory's, and is written there", async () => {
  const { env, stored } = await environmentOf({
    env: { A: "given" },
    files: {
      "/etc/container_environment/A": "stored\n",
      "/etc/container_environment/B": "stored\n",
    },
  });
  assertEquals([env.A, env.B, stored.A, stored.B], ["given", "stored", "given", "stored\n"]);
});

Deno.test("a PATH in the directory wins over docker's default, but not over a chosen one (B6)", async () => {
  const files = { "/etc/container_environment/PATH": "/mnt/mine:/usr/bin:/bin\n" };
  const dockers = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  assertEquals(
    (await environmentOf({ files, env: { PATH: dockers } })).env.PATH,
    "/mnt/mine:/usr/bin:/bin",
  );
  assertEquals(
    (await environmentOf({ files, env: { PATH: "/chosen:/usr/bin" } })).env.PATH,
    "/chosen:/usr/bin",
  );
});

Deno.test("names that cannot be files get a warning, and reach the command anyway (B7)", async () => {
  const odd = {
    "a/b": "1",
    ".": "2",
    "..": "3",
    "../evil": "4",
    "/abs": "5",
    ["n".repeat(255)]: "6",
  };
  const { env, stored, stderr } = await environmentOf({
    env: odd,
    files: { ...script, ...directory },
  });
  assertEquals(env, { ...odd, PRESENT: "yes", PATH });
  assertEquals(Object.keys(stored).sort(), ["PATH", "PRESENT"]);
  for (const name of Object.keys(odd)) {
    assertStringIncludes(stderr, `*** Variable ${name} is not in /etc/container_environment: `);
    assertEquals(stderr.split(`Variable ${name} is not in`).length, 2, "said once");
  }
});

Deno.test("unusual names that can be files reach the command", async () => {
  const odd = {
    "1abc": "1",
    "a.b": "2",
    "a-b": "3",
    "-x": "4",
    "a b": "5",
    "\xe4": "6",
    "*": "7",
    "a\nb": "8",
    ".hidden": "9",
    "\x01": "10",
  };
  const { env } = await environmentOf({ env: odd, files: { ...script, ...directory } });
  assertEquals(env, { ...odd, PRESENT: "yes", PATH });
});

Deno.test("what is in the directory and cannot be a variable is skipped with a warning (B8)", async () => {
  const { env, stderr } = await environmentOf({
    before:
      "mkfifo /etc/container_environment/FIFO; ln -s /nosuch /etc/container_environment/DANGLING; ln -s /dev/zero /etc/container_environment/DEVICE",
    files: {
      "/etc/container_environment/GOOD": "yes",
      "/etc/container_environment/FOLDER/INNER": "no",
      "/etc/container_environment/NUL": "a\0b",
      "/etc/container_environment/a=b": "no",
      "/etc/container_environment/HUGE": "x".repeat(200_000),
      "/etc/container_environment/BYTES": "\xff\xfe",
    },
  });
  assertEquals(env, { GOOD: "yes", BYTES: "\xff\xfe", PATH });
  for (const name of ["NUL", "a=b", "HUGE", "FIFO", "DANGLING", "DEVICE"]) {
    assertStringIncludes(stderr, `*** Ignoring /etc/container_environment/${name}: `);
  }
  assert(!stderr.includes("FOLDER"), "directories are skipped silently");
});

Deno.test("a file with a name that is not UTF-8 is a variable (B8)", async () => {
  const { env } = await environmentOf({
    before: "printf x >\"$(printf '/etc/container_environment/A\\377')\"",
    files: directory,
  });
  assertEquals(env, { PRESENT: "yes", "A\xff": "x", PATH });
});

Deno.test("a Kubernetes ConfigMap mounted there is read: links, and a ..data that is none of it (B8)", async () => {
  const { env, stderr } = await environmentOf({
    before:
      "cd /etc/container_environment; mkdir ..2026; echo one >..2026/ONE; ln -s ..2026 ..data; ln -s ..data/ONE ONE; cd /; " +
      "mount --bind /etc/container_environment /etc/container_environment; mount -o remount,ro,bind /etc/container_environment",
    env: { A: "b" },
    files: { "/etc/container_environment/TWO": "two" },
  });
  assertEquals([env.ONE, env.TWO, env.A], ["one", "two", "b"]);
  assertEquals(Object.keys(env).filter((name) => name.includes("..")), []);
  assertEquals(stderr.split("\n").length, 2, `one warning: ${stderr}`);
});

Deno.test("a read-only /etc gets a warning for each thing that cannot be done; all variables arrive (B9)", async () => {
  const { env, stored, stderr } = await environmentOf({
    before: "mount --bind /etc /etc; mount -o remount,ro,bind /etc",
    env: { A: "b", C: "d" },
    files: { ...script, ...directory },
  });
  assertEquals(env, { A: "b", C: "d", PRESENT: "yes", PATH });
  assertEquals(Object.keys(stored), ["PRESENT"]);
  const lines = stderr.trimEnd().split("\n");
  assert(lines.length <= 2 && lines.every((line) => line.includes("Cannot write")), stderr);
});

Deno.test("without the right to read the directory there is a warning, and the boot goes on (B9)", async () => {
  await using init = await startInit(
    ["--quiet", "--skip-runit", "--", "cat", "/proc/self/environ"],
    {
      before:
        "chmod 700 /etc/container_environment; exec setpriv --reuid 1000 --regid 1000 --clear-groups env -i A=b PATH=$PATH:/mnt/bin my_init --quiet --skip-runit -- sh -c 'id -u; echo $A'",
      files: directory,
    },
  );
  const { status, stdout, stderr } = await init.end();
  assertEquals([status, stdout], [0, "1000\nb\n"]);
  assertStringIncludes(
    stderr,
    "*** Cannot list /etc/container_environment: Permission denied. Programs do not get the variables in it; " +
      "the group docker_env may read it (docker run --group-add docker_env)\n",
  );
});

Deno.test("a startup script can change, add and remove variables for everything after it", async () => {
  const { env, stored, json, shell } = await environmentOf({
    env: { CHANGED: "old", REMOVED: "old", KEPT: "old" },
    files: {
      ...directory,
      "/etc/my_init.d/1":
        "#!/bin/sh\ncd /etc/container_environment\necho new >CHANGED\nrm REMOVED\nprintf 'a\\n\\n' >ADDED\nexport LOST=1\n",
      "/etc/my_init.d/2":
        '#!/bin/sh\ntest "$CHANGED" = new && test -z "${REMOVED+set}" && test -n "$ADDED" && rm /etc/container_environment/PRESENT\n',
    },
  });
  assertEquals(env, { CHANGED: "new", KEPT: "old", ADDED: "a\n", PATH });
  assertEquals(Object.keys(stored).sort(), ["ADDED", "CHANGED", "KEPT", "PATH"]);
  assertEquals(JSON.parse(json!), { CHANGED: "new", KEPT: "old", ADDED: "a\n", PATH });
  assertStringIncludes(shell!, "export CHANGED=new\n");
  assert(!shell!.includes("REMOVED"));
});

Deno.test("HOME, USER, GROUP, UID, GID and SHELL survive startup scripts, and stay out of the files (B6)", async () => {
  const personal = { HOME: "/h", USER: "u", GROUP: "g", UID: "1", GID: "2", SHELL: "/s" };
  const { env, stored, shell, json } = await environmentOf({
    env: { ...personal, A: "b" },
    files: { ...script, ...directory },
  });
  assertEquals(env, { ...personal, A: "b", PRESENT: "yes", PATH });
  assertEquals(Object.keys(stored).sort(), ["A", "PATH", "PRESENT"]);
  for (const name of Object.keys(personal)) assert(!shell!.includes(`export ${name}=`), name);
  assertEquals(JSON.parse(json!), { ...personal, A: "b", PRESENT: "yes", PATH });
});

Deno.test("HOME from the directory reaches the command when the container was given none", async () => {
  const { env } = await environmentOf({
    files: { ...script, "/etc/container_environment/HOME": "/stored\n" },
  });
  assertEquals(env.HOME, "/stored");
});

Deno.test("FILE__NAME gives NAME the content of a file, at the end of the boot as well (W20)", async () => {
  const { env, stderr } = await environmentOf({
    env: { FILE__SECRET: "/mnt/secret", SECRET: "public" },
    files: {
      "/mnt/secret": "s3cret\n",
      "/mnt/other": "0ther\n",
      "/etc/container_environment/FILE__OTHER": "/mnt/other\n",
      "/etc/my_init.d/1":
        '#!/bin/sh\ntest "$SECRET$OTHER" = s3cret0ther && rm /mnt/secret && echo new >/mnt/new && ' +
        "echo /mnt/new >/etc/container_environment/FILE__NEW\n",
      "/etc/my_init.d/2": '#!/bin/sh\ntest "$SECRET$OTHER$NEW" = s3cret0thernew\n',
    },
  });
  assertEquals(stderr, "");
  assertEquals([env.SECRET, env.OTHER, env.NEW], ["s3cret", "0ther", "new"]);
});

/** An image in which cron and sshd have the environment by PAM, as far as my_init can tell. */
const pam: Setting = {
  before: "mount -t tmpfs t /run",
  files: {
    ...script,
    ...directory,
    "/etc/pam.d/container-environment": "",
    "/etc/os-release": 'VERSION_ID="16.04"\n',
    "/etc/service/cron/run": "#!/bin/sh\nexec sleep 100\n",
  },
};
/** A main command that prints the file and everything in /run. */
const showPam = "cat /run/container_environment.pam; stat -c '%a %u:%g %n' /run/*";

Deno.test("a value from a FILE__ variable is in no file of ours, its path is", async () => {
  await using init = await startInit(
    sh("cat /run/*.pam; echo $SECRET; grep -rl s3cret /etc /run; :"),
    {
      ...pam,
      env: { FILE__SECRET: "/mnt/secret" },
      files: { ...pam.files, "/mnt/secret": "s3cret\n" },
    },
  );
  const { stdout } = await init.end();
  const text = `FILE__SECRET="/mnt/secret"\nPATH="${PATH}"\nPRESENT="yes"\ns3cret\n`;
  assertEquals(stdout, text, "grep finds nothing");
  for (const file of [".json", ".sh", "/FILE__SECRET"]) {
    assertStringIncludes(init.read(`/etc/container_environment${file}`)!, "/mnt/secret", file);
  }
});

Deno.test("PAM's file is for root alone, whoever made one before, and has what a startup script changed (W4)", async () => {
  const { stdout, stderr } = await runInit(["--quiet", ...sh(showPam)], {
    ...pam,
    before:
      `${pam.before}; cd /run; touch container_environment.pam; chmod 666 *.pam; chown 1:1 *.pam`,
    env: { HOME: "/root", TERM: "xterm", SSH_AUTHORIZED_KEYS: "key" },
    files: {
      ...pam.files,
      "/etc/my_init.d/x": "#!/bin/sh\necho new >/etc/container_environment/NEW\n",
    },
  });
  assertEquals(
    stdout,
    `NEW="new"\nPATH="${PATH}"\nPRESENT="yes"\n600 0:0 /run/container_environment.pam\n`,
  );
  assertEquals(stderr, "");
});

Deno.test("without the image's rule for PAM there is no file for it", async () => {
  const { "/etc/pam.d/container-environment": _, ...files } = pam.files!;
  const { stdout } = await runInit(sh("ls /run"), { ...pam, files });
  assertEquals(stdout, "");
});

const outsidePam: [string, Setting & { skip?: string }, boolean][] = [
  ["where cron runs", {}, true],
  ["where cron is down", { files: { "/etc/service/cron/down": "" } }, false],
  ["where nothing runs but the command", { skip: "--skip-runit" }, false],
  ["where cron runs, without startup scripts", { skip: "--skip-startup-files" }, true],
  ["where a startup script turns cron off", {
    files: { "/etc/my_init.d/x": "#!/bin/sh\ntouch /etc/service/cron/down\n" },
  }, false],
  ["where sshd runs, too", {
    files: { "/etc/service/cron/down": "", "/etc/service/sshd/run": "#!/bin/sh\n" },
  }, true],
];
for (const [where, { skip, files }, isTold] of outsidePam) {
  Deno.test(`what PAM cannot hold gets ${isTold ? "one warning" : "none"} ${where}`, async () => {
    // Whether there is a runsvdir does not matter here.
    const { stderr } = await runInit(["--quiet", ...skip ? [skip] : [], "--", "true"], {
      ...pam,
      env: { KEY: "a\nb", COLOUR: "#fff", LONG: "x".repeat(1000), LINE: "x".repeat(995) },
      files: { ...pam.files, ...files },
    });
    assertEquals(
      stderr.split("\n").filter((line) => line.includes("SSH")),
      isTold
        ? [
          "*** Not in the environment of cron jobs and SSH sessions, because of a #, a newline, the name or the length: " +
          "COLOUR, KEY, LONG. They can source /etc/container_environment.sh",
        ]
        : [],
    );
  });
}

Deno.test("a startup script takes a secret away by removing FILE__NAME", async () => {
  const { env } = await environmentOf({
    env: { FILE__SECRET: "/mnt/secret" },
    files: {
      ...directory,
      "/mnt/secret": "s3cret\n",
      "/etc/my_init.d/x": "#!/bin/sh\nrm /etc/container_environment/FILE__SECRET\n",
    },
  });
  assertEquals(env, { PRESENT: "yes", PATH });
});

const faultyFiles: Record<string, [string, string]> = {
  "no path": ["", "it is empty; let it be the path of a file"],
  "no file": ["/mnt/nosuch", "No such file or directory; mount it, or correct the path"],
  "a directory": ["/mnt", "it is a directory; name a file in it"],
  "a device": ["/dev/null", "it is not a regular file"],
  "an empty file": ["/mnt/empty", "the file is empty; write the value there"],
  "a file of one newline": ["/mnt/newline", "the file is empty; write the value there"],
  "a NUL byte": ["/mnt/nul", "the value of a variable cannot have a NUL byte"],
  "too much": ["/mnt/huge", "it is too large for a variable (at most 131071 bytes)"],
};
for (const [what, [file, reason]] of Object.entries(faultyFiles)) {
  Deno.test(`FILE__NAME that leads to ${what} gets one warning, by its name`, async () => {
    const { env, stderr } = await environmentOf({
      env: { FILE__NAME: file },
      files: {
        ...script,
        ...directory,
        "/mnt/empty": "",
        "/mnt/newline": "\n",
        "/mnt/nul": "a\0b",
        "/mnt/huge": "x".repeat(131_067),
      },
    });
    assertEquals(env, { FILE__NAME: file, PRESENT: "yes", PATH });
    assertEquals(stderr, `*** Ignoring FILE__NAME=${file}: ${reason}\n`);
  });
}

Deno.test("FILE__NAME that may not be read says which user must be able to read it", async () => {
  await using init = await startInit([], {
    before:
      "chmod 600 /mnt/secret; exec setpriv --reuid 1000 --regid 1000 --clear-groups env -i FILE__A=/mnt/secret PATH=$PATH:/mnt/bin my_init --quiet --skip-runit -- true",
    files: { "/mnt/secret": "s" },
  });
  const { status, stderr } = await init.end();
  assertEquals(status, 0);
  assertEquals(
    stderr,
    "*** Ignoring FILE__A=/mnt/secret: Permission denied; let UID 1000 read it\n",
  );
});

Deno.test("of a name that was given twice one value is taken, and nothing breaks", async () => {
  const { env } = await environmentOf({ env: [["A", "1"], ["B", "2"]], files: directory });
  assertEquals([env.A, env.B], ["1", "2"]);
});

Deno.test("an environment of 3,000 variables passes", async () => {
  const many = Object.fromEntries(
    Array.from({ length: 3000 }, (_, index) => [`VARIABLE_${index}`, `value ${index}`]),
  );
  const { env } = await environmentOf({ env: many, files: { ...script, ...directory } });
  assertEquals(env, { ...many, PRESENT: "yes", PATH });
});

const tooMuch = Object.fromEntries(
  Array.from(
    { length: 25 },
    (_, index) => [`/etc/container_environment/V${index}`, "x".repeat(100_000)],
  ),
);
for (
  const [what, files, status] of [
    ["a command that is", {}, 126],
    ["a startup script that is", script, 1],
  ] as const
) {
  Deno.test(`${what} given too large an environment is refused with the reason`, async () => {
    const result = await runInit(["--quiet", "--skip-runit", "--", "echo", "main"], {
      before: "ulimit -s 8192",
      files: { ...tooMuch, ...files },
    });
    assertEquals([result.status, result.stdout], [status, ""]);
    assertMatch(
      result.stderr,
      /^\*\*\* Cannot run \S+: arguments and environment have 25\d{5} bytes, more than a program can be given \(2097152\); the largest: variable V\d+ has 10000\d bytes\n/,
    );
  });
}

Deno.test("new dumps are 0640 root:docker_env, files as secret as the directory (B24)", async () => {
  const { modes } = await environmentOf({
    before:
      "umask 0; echo docker_env:x:8377: >>/etc/group; cd /etc/container_environment; chmod 750 .; chgrp 8377 .",
    env: { A: "b" },
    files: directory,
  });
  assertEquals(modes, ["640 0:8377", "640 0:8377", "640 0:8377"]);
});

Deno.test("relaxed permissions of directory and dumps stay as they are", async () => {
  const { modes } = await environmentOf({
    before:
      "cd /etc; chmod 755 container_environment; touch container_environment.sh container_environment.json; " +
      "chmod 644 container_environment.sh; chmod 604 container_environment.json; chown 3:4 container_environment.json",
    env: { A: "b" },
    files: { ...script, ...directory },
  });
  assertEquals(modes, ["644 0:0", "604 3:4", "644 0:0"]);
});

Deno.test("dumps are replaced as a whole: one that is a link to elsewhere does no harm there", async () => {
  await using init = await startInit(show, {
    before: "echo precious >/mnt/precious; ln -s /mnt/precious /etc/container_environment.sh",
    files: directory,
  });
  assertEquals((await init.end()).status, 0);
  assertEquals(init.read("/mnt/precious"), "precious\n");
});

Deno.test("a directory that is not one is skipped", async () => {
  const { status, stdout } = await runInit(["--quiet", "--skip-runit", "--", "echo", "main"], {
    files: { "/etc/container_environment": "file" },
  });
  assertEquals([status, stdout], [0, "main\n"]);
});
