import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { toShell } from "../../env/dumps.ts";
import { type ByteString, fromBytes, toBytes, toUnicode } from "../../posix/bytes.ts";
import { PATH, startInit } from "../support/namespace.ts";

const files = {
  "/etc/container_environment/PRESENT": "yes",
  "/etc/my_init.d/x": "#!/bin/sh\ntrue\n",
};

type Environment = Record<string, ByteString>;

function parse(block: ByteString): Environment {
  return Object.fromEntries(
    block.split("\0").slice(0, -1).map((text) => {
      const at = text.indexOf("=");
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** Boots with these variables. Returns the command's environment, what shells read from the dump, and the JSON. */
async function dump(env: Environment, shells = ["dash", "bash", "sh"]) {
  await using init = await startInit(
    ["--quiet", "--skip-runit", "--", "cat", "/proc/self/environ"],
    { env, files },
  );
  const { status, stdout, stderr } = await init.end(60);
  assertEquals(status, 0, stderr);
  const sourced: Record<string, Environment> = {};
  for (const shell of shells) {
    const { code, stdout, stderr } = await new Deno.Command(`/bin/${shell}`, {
      args: [
        "-c",
        'set -eu; . "$0"; exec /bin/cat /proc/self/environ',
        `${init.folder}/etc/container_environment.sh`,
      ],
      clearEnv: true,
    }).output();
    assertEquals([code, fromBytes(stderr)], [0, ""], `${shell} sources the dump`);
    const { PWD: _1, OLDPWD: _2, SHLVL: _3, _: _4, ...rest } = parse(fromBytes(stdout));
    sourced[shell] = rest;
  }
  return {
    env: parse(stdout),
    sourced,
    stderr,
    json: Deno.readTextFileSync(`${init.folder}/etc/container_environment.json`),
    shell: init.read("/etc/container_environment.sh")!,
  };
}

Deno.test("dash and bash get every value back from the dump as it was (B6)", async () => {
  const env = {
    EMPTY: "",
    PLAIN: "a-b.c/d:e@f%g+h=i,j_k",
    SPACE: " a  b ",
    NEWLINES: "\na\r\nb\n\n",
    QUOTES: `'"\`$HOME\\ $(id) ! 'x' ''' \\'`,
    BYTES: Array.from({ length: 255 }, (_, index) => String.fromCharCode(index + 1)).join(""),
    TILDE: "~root",
    STAR: "*",
    HASH: "#x",
    lower_1: "x",
    _X: "x",
  };
  const { sourced } = await dump(env);
  for (const [shell, variables] of Object.entries(sourced)) {
    assertEquals(variables, { ...env, PRESENT: "yes", PATH }, shell);
  }
});

Deno.test("what a shell name cannot hold becomes _, with a warning (B7)", async () => {
  const { sourced, stderr } = await dump({
    "1abc": "1",
    "a.b": "2",
    "\xe4": "3",
    "x y": "4",
    "%": "5",
    "-": "6",
  });
  for (const variables of Object.values(sourced)) {
    assertEquals(variables.a_b, "2");
    assertEquals(variables._abc, "1");
    assertEquals(variables.x_y, "4");
  }
  assertStringIncludes(stderr, "*** Variable 1abc is _abc in the shell's dump\n");
  assertStringIncludes(stderr, "*** Variable a.b is a_b in the shell's dump\n");
});

Deno.test("names that are the same in the shell's dump do not overwrite one another silently (B7)", async () => {
  const { sourced, stderr } = await dump({
    "a.b": "dot",
    "a-b": "minus",
    a_b: "genuine",
    "c-d": "minus",
    "c.d": "dot",
  });
  for (const variables of Object.values(sourced)) {
    assertEquals([variables.a_b, variables.c_d], ["genuine", "minus"]);
  }
  for (const name of ["a.b", "a-b", "c.d"]) {
    assertStringIncludes(
      stderr,
      `*** Variable ${name} is left out of the shell's dump: its name is taken there\n`,
    );
  }
});

/** What bash's manual lists under "Shell Variables", and `compgen -v` does not while it is unset. */
const ofTheManual = `auto_resume BASH_ALIASES BASH_ARGV0 BASH_CMDS BASH_COMMAND BASH_COMPAT BASH_ENV
  BASH_EXECUTION_STRING BASH_LOADABLES_PATH BASH_MONOSECONDS BASHPID BASH_REMATCH BASH_SUBSHELL BASH_TRAPSIG
  BASH_XTRACEFD CDPATH CHILD_MAX COLUMNS COMP_CWORD COMP_KEY COMP_LINE COMP_POINT COMPREPLY COMP_TYPE COMP_WORDBREAKS
  COMP_WORDS COPROC DIRSTACK EMACS ENV EPOCHREALTIME EPOCHSECONDS EXECIGNORE FCEDIT FIGNORE FUNCNAME FUNCNEST
  GLOBIGNORE GLOBSORT GROUPS histchars HISTCMD HISTCONTROL HISTFILE HISTFILESIZE HISTIGNORE HISTSIZE HISTTIMEFORMAT HOME
  HOSTFILE IGNOREEOF INPUTRC INSIDE_EMACS LANG LINENO LINES MAIL MAILCHECK MAILPATH MAPFILE OLDPWD OPTARG POSIXLY_CORRECT
  PROMPT_COMMAND PROMPT_DIRTRIM PS0 PS1 PS2 PS3 RANDOM READLINE_ARGUMENT READLINE_LINE READLINE_MARK READLINE_POINT
  REPLY SECONDS SRANDOM TEXTDOMAIN TEXTDOMAINDIR TIMEFORMAT TMOUT TMPDIR`.split(/\s+/);

Deno.test("sourcing the dump runs no code, prints nothing and sets the rest, whichever of bash's variables is in it", async () => {
  const folder = await Deno.makeTempDir();
  const names = await new Deno.Command("/bin/bash", { args: ["-c", "compgen -v"], clearEnv: true })
    .output();
  const special = fromBytes(names.stdout).trim().split("\n").concat(ofTheManual, "BASH.VERSINFO");
  const code = `touch ${folder}/ran`;
  const values = [`a[$(${code})]`, "text", "", "0", "9".repeat(30)];
  const file = (name: string, index: number) => `${folder}/${name}.${index}`;
  for (const name of special) {
    values.forEach((value, index) => {
      const { text } = toShell([[name, value], ["zzz_last", "reached"]]);
      Deno.writeFileSync(file(name, index), toBytes(text));
    });
  }
  const all = special.flatMap((name) => values.map((_, index) => file(name, index)));
  // Each in a subshell: that is fast, and shows when a shell ends early.
  const source =
    'for file; do echo "${file##*/} $( (. "$file"; echo "$zzz_last$?") 2>&1 )"; done; exit 0';
  for (const shell of ["sh", "dash", "bash", "bash --posix", "bash -eu", "bash --posix -eu"]) {
    const [program, ...options] = shell.split(" ");
    const { code, stdout, stderr } = await new Deno.Command(`/bin/${program}`, {
      args: [...options, "-c", source, shell, ...all],
      clearEnv: true,
    }).output();
    assertEquals([code, fromBytes(stderr)], [0, ""], shell);
    const lines = fromBytes(stdout).trimEnd().split("\n");
    assertEquals(lines.filter((line) => !line.endsWith(" reached0")), [], shell);
    assertEquals(lines.length, all.length);
    const ran = [...Deno.readDirSync(folder)].some(({ name }) => name === "ran");
    assert(!ran, `${shell} has run a command`);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a variable of a name that bash keeps for itself reaches the command, and gets a warning", async () => {
  const { env, json, stderr } = await dump({ HISTCMD: "1", OPTIND: "1" });
  assertEquals([env.HISTCMD, JSON.parse(json).OPTIND], ["1", "1"]);
  assertStringIncludes(
    stderr,
    "*** Variable HISTCMD is left out of the shell's dump: bash keeps HISTCMD for itself\n",
  );
});

Deno.test("the JSON dump is one object of all variables; what is not UTF-8 becomes U+FFFD", async () => {
  const env = {
    BYTES: "a\xffb",
    UTF8: "\xe2\x82\xac\xf0\x9f\x98\x80",
    QUOTES: '"\\\n\t\x01\x7f',
    HOME: "/h",
    "a/b": "c",
    "n\xff": "name",
    EMPTY: "",
  };
  const { json } = await dump(env);
  assertEquals(JSON.parse(json), {
    BYTES: "a\ufffdb",
    UTF8: "€😀",
    QUOTES: '"\\\n\t\x01\x7f',
    HOME: "/h",
    "a/b": "c",
    "n\ufffd": "name",
    EMPTY: "",
    PRESENT: "yes",
    PATH,
  });
});

Deno.test("a dump that a startup script has changed or replaced is written anew, and one that is right is left", async () => {
  const dump = "/etc/container_environment.sh";
  const script = (body: string) => `#!/bin/sh\nstat -c %i ${dump} >>/etc/inodes\n${body}\n`;
  await using init = await startInit(["--quiet", "--skip-runit", "--", "cat", dump], {
    env: { PRESENT: "yes" },
    files: {
      ...files,
      "/etc/my_init.d/1": script("true"),
      "/etc/my_init.d/2": script(`echo export PRESENT=no >>${dump}`),
      "/etc/my_init.d/3": script(`mv ${dump} /etc/elsewhere; ln -s /etc/elsewhere ${dump}`),
      "/etc/my_init.d/4": script(`test ! -L ${dump}`),
      "/etc/my_init.d/x": "#!/bin/sh\ntrue\n",
    },
  });
  const { status, stdout, stderr } = await init.end();
  assertEquals(status, 0, stderr);
  assertEquals(stdout, `export PATH=${PATH}\nexport PRESENT=yes\n`);
  const [first, second, third, fourth] = init.read("/etc/inodes")!.split("\n");
  assertEquals([first === second, second === third, third === fourth], [true, false, false]);
});

Deno.test("__proto__ is a variable like any other", async () => {
  const { json, shell } = await dump({
    __proto__x: "1",
    ["__proto__"]: "2",
    constructor: "3",
    toString: "4",
  });
  assertStringIncludes(json, `"__proto__": "2"`);
  assertStringIncludes(shell, "export __proto__=2\n");
  assertStringIncludes(shell, "export constructor=3\n");
});

/** The same numbers in each run, so that a failure can be repeated. */
function randomNumbers(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor(seed / 2 ** 32 * below);
  };
}

Deno.test("10,000 variables of arbitrary bytes never break the boot, and come back byte by byte", async () => {
  const random = randomNumbers(20_161_604);
  const pick = (from: string) => from[random(from.length)];
  const shellLetters = "ABCXYZabcxyz_0189";
  const bytes = Array.from({ length: 255 }, (_, index) => String.fromCharCode(index + 1)).join("");
  const awkward = "\n\r'\"\\$` =\t~!#*?[]{}()<>|&;\xff\x80\xc3\xa4";
  const text = (alphabets: string[], length: number) =>
    Array.from({ length }, () => pick(alphabets[random(alphabets.length)])).join("");
  for (let batch = 0; batch < 5; batch++) {
    const env: Environment = {};
    for (let index = 0; index < 2000; index++) {
      const isShellName = index % 2 === 0;
      const name = isShellName
        ? `V${index}_${text([shellLetters], random(20))}`
        : `${text([shellLetters, bytes, awkward], random(12))}${index}`.replaceAll("=", "-");
      env[name] = text([shellLetters, bytes, awkward], random(60));
    }
    const result = await dump(env, ["dash", "bash"]);
    const expected = { ...env, PRESENT: "yes", PATH };
    assertEquals(result.env, expected);
    const isOwn = ([name]: [string, unknown]) => /^V\d/.test(name);
    const genuine = Object.fromEntries(Object.entries(env).filter(isOwn));
    for (const variables of Object.values(result.sourced)) {
      const got = Object.fromEntries(Object.entries(variables).filter(isOwn));
      for (const [name, value] of Object.entries(genuine)) {
        if (/^\w+$/.test(name)) assertEquals(got[name], value, name);
      }
    }
    const inJson = Object.entries(expected).map((
      [name, value],
    ) => [toUnicode(name), toUnicode(value)]);
    const json = JSON.parse(result.json);
    for (const [name, value] of inJson) {
      if (!name.includes("\ufffd")) assertEquals(json[name], value);
    }
    assert(Object.keys(json).length > 1900);
  }
});

Deno.test("PAM gives sessions every value that it can hold, byte by byte (W4)", async () => {
  const random = randomNumbers(8377);
  const all = Array.from({ length: 255 }, (_, index) => String.fromCharCode(index + 1)).join("");
  const alphabets = [
    "abc",
    ` \t'"\\$@{}()=;&|<>~*?[]!%^`,
    all.replace(/[\n#]/g, ""),
    `'"`,
    "\\",
    " \r",
  ];
  const lengths = [0, 1, 2, 5, 60, 900];
  const env: Environment = {};
  for (let index = 0; index < 300; index++) {
    const from = alphabets[random(alphabets.length)];
    const length = lengths[random(lengths.length)];
    env[`V${index}`] = Array.from({ length }, () => from[random(from.length)]).join("");
  }
  await using init = await startInit(
    ["--skip-runit", "--", "env", "-i", `PATH=${PATH}`, "su", "-c", "cat /proc/self/environ"],
    {
      env,
      before: "mount -t tmpfs t /run",
      files: {
        ...files,
        "/etc/pam.d/container-environment":
          "session optional pam_env.so readenv=1 envfile=/run/container_environment.pam\n",
        "/etc/security/pam_env.conf": "",
        "/etc/pam.d/su":
          "auth sufficient pam_rootok.so\naccount required pam_permit.so\nsession required pam_permit.so\n@include container-environment\n",
      },
    },
  );
  const { status, stdout, stderr } = await init.end(60);
  assertEquals(status, 0, stderr);
  const got = parse(stdout);
  for (const [name, value] of Object.entries({ ...env, PRESENT: "yes" })) {
    assertEquals(got[name], value, name);
  }
});
