import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { type ByteString, fromBytes } from "../posix/bytes.ts";
import { project, run } from "../tests/support/namespace.ts";

const CONFIG = ["deno.json", "deno.lock"];
const FOLDERS = ["native", "native/compiler", "posix", "env"];

/** Copies the sources for a namespace, with a change in one of them. */
function sources(file?: string, from = "", to = ""): Record<string, ByteString> {
  const files: Record<string, ByteString> = {};
  const paths = FOLDERS.flatMap((folder) =>
    [...Deno.readDirSync(join(project, folder))].filter((it) => it.isFile)
      .map(({ name }) => `${folder}/${name}`)
  );
  for (const path of [...CONFIG, "setuser.ts", ...paths]) {
    files[`/mnt/project/${path}`] = fromBytes(Deno.readFileSync(join(project, path)));
  }
  if (file) {
    const path = `/mnt/project/${file}`;
    assertStringIncludes(files[path], from);
    files[path] = files[path].replace(from, to);
  }
  return files;
}

async function compare(numbers: number[], nsswitch: string, files = sources()) {
  const flags = ["run", "-A", "--no-check", "--config", "/mnt/project/deno.json"];
  const program = "/mnt/project/native/differential.ts";
  return await run([Deno.execPath(), ...flags, program, ...numbers.map(String)], {
    files: { ...files, "/etc/nsswitch.conf": nsswitch },
    env: { DENO_DIR: join(project, ".cache/deno"), HOME: "/root" },
    before: "cp /mnt/bin/setuser /mnt/setuser.ts",
    seconds: 300,
  });
}

const databases: Record<string, string> = {
  "files": "passwd: files\ngroup: files\n",
  "compat": "passwd:\tcompat\ngroup:compat\n",
};
for (const [name, nsswitch] of Object.entries(databases)) {
  Deno.test(`setuser's native code does what setuser.ts does, in 5,000 cases with NSS's ${name}`, async () => {
    const { status, stdout, stderr } = await compare([5000, 100, 12345], nsswitch);
    assertEquals(status, 0, stdout + stderr);
    const { decided, errors, run } = JSON.parse(stdout);
    assert(decided > 1000 && errors > 1500 && run > 20, stdout);
  });
}

const planted: [file: string, from: string, to: string][] = [
  ["native/users.ts", "id !== gid && hasMember", "hasMember"],
  ["native/users.ts", "value > GREATEST", "false"],
  ["native/users.ts", "end - at === size &&", "end - at >= size &&"],
  ["native/users.ts", "sizeOfField(start) === size &&", ""],
  ["native/users.ts", "return colons === kind", "return true"],
  ["native/users.ts", "kind === PASSWD && colons > GID", "true"],
  ["native/users.ts", "if (isNumber &&", "if (false &&"],
  ["native/users.ts", "first === MINUS", "false"],
  ["native/setuser.ts", "const isGiven = hasGroup ||", "const isGiven ="],
  ["native/setuser.ts", "byName === NONE &&", ""],
  ["native/setuser.ts", 'text("GID="), gid', 'text("GID="), uid'],
  ["native/setuser.ts", "isOne && findVariable", "true || findVariable"],
  ["native/setuser.ts", "load1(variable) !== EQUALS &&", ""],
  ["native/setuser.ts", "digits = 1n", "digits = 2n"],
  ["native/setuser.ts", 'homeSize, text("/")', 'homeSize, text("")'],
  ["native/programs.ts", "found === MAYBE", "false"],
  ["native/programs.ts", "length(beginning) < size", "true"],
  ["native/programs.ts", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "/bin"],
];
Deno.test("the comparison finds errors that are put into the native code", async (test) => {
  for (const [file, from, to] of planted) {
    await test.step(`${file}: ${from}`, async () => {
      const { status, stdout, stderr } = await compare(
        [5000, 0, 1],
        databases.compat,
        sources(file, from, to),
      );
      assertEquals(status, 1, "not found");
      assertMatch(stdout + stderr, /They differ|There is no memory/);
    });
  }
});
