import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { readDenort } from "../../build/denort.ts";
import { permissions, programs, type Target } from "../../build/permissions.ts";
import { fromBytes } from "../../posix/bytes.ts";
import { project, run } from "../support/namespace.ts";

const target = Deno.build.target as Target;

for (const name of programs) {
  const binary = join(project, "dist", name);

  Deno.test(`${name} needs no newer glibc than that of Ubuntu 16.04, 2.23`, async () => {
    const versions = neededVersions(await Deno.readFile(binary));
    const glibc = versions.filter((it) => it.startsWith("GLIBC_"));
    assert(glibc.length > 0, "there are such needs at all");
    const newer = glibc.filter((it) => compareVersions(it.slice("GLIBC_".length), "2.23") > 0);
    assertEquals(newer, []);
  });

  Deno.test(`${name} has its own code inside and nothing else: no node_modules, no package.json`, async () => {
    const { metadata, files, text } = await readAppended(binary);
    const names = files.map((file) => Object.values(file)[0].n);
    const bundled = /^(main|(init|setuser|check|print|chunk)-[0-9A-Z]{8})\.js$/;
    assertEquals([names.filter((it) => !bundled.test(it)), names.includes("main.js")], [[], true]);
    assertEquals(metadata.node_modules, null);
    assertEquals(metadata.workspace_resolver.package_jsons, {});
    assertEquals(text.includes(project), false, "no path of this machine");
  });

  Deno.test(`${name} is compiled with the permissions of the table, and no others`, async () => {
    const { metadata: { permissions: granted } } = await readAppended(binary);
    // What may be imported is of no effect: a compiled program imports nothing, as the probe below shows.
    const { allow_import: _, ...others } = granted;
    const allowed = Object.entries(others).filter(([, value]) => value !== null && value !== false);
    const libc = permissions(target).find((it) => it.startsWith("--allow-ffi="))?.split("=")[1];
    assertEquals(allowed, [["allow_ffi", [libc]]]);
  });

  Deno.test(`a program with the permissions of ${name} can load libc, and do nothing else`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "probe-" });
    try {
      await Deno.writeTextFile(join(folder, "probe.js"), probe(permissions(target)));
      await Deno.writeFile(join(folder, "denort"), await readDenort(target), { mode: 0o755 });
      const compiled = await new Deno.Command(Deno.execPath(), {
        args: [
          "compile",
          "--no-config",
          "--no-lock",
          "--no-check",
          "--no-code-cache",
          ...permissions(target),
          "--output",
          "probe",
          "probe.js",
        ],
        cwd: folder,
        env: { DENORT_BIN: join(folder, "denort"), DENO_NO_PACKAGE_JSON: "1" },
      }).output();
      assert(compiled.success, fromBytes(compiled.stderr));
      const { stdout } = await new Deno.Command(join(folder, "probe")).output();
      const results: Record<string, string> = JSON.parse(fromBytes(stdout));
      const { "load libc": libc, ...others } = results;
      assertEquals(libc, "allowed");
      for (const [what, result] of Object.entries(others)) assertEquals(result, "refused", what);
      assert(Object.keys(others).length >= 8);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("a copy under another name is setuser, and an init only as PID 1", async () => {
  const before = "cp /mnt/bin/setuser /mnt/bin/other";
  const user = await run(["sh", "-c", "other nobody id -un; exit $?"], { before });
  assertEquals([user.status, user.stdout], [0, "nobody\n"]);
  const init = await run(["other", "--skip-runit", "--", "sh", "-c", "exit 3"], { before });
  assertEquals(init.status, 3);
});

Deno.test("a start makes no machine code for the functions of libc", async () => {
  const count = `grep -c " r-xp 00000000 00:00 0 *$" /proc/1/maps`; // Executable memory that belongs to no file.
  const { stdout } = await run(["my_init", "--skip-runit", "--quiet", "--", "sh", "-c", count]);
  assertEquals(stdout, "0\n");
});

/** A program that tries everything that must be refused. */
function probe(flags: string[]): string {
  const libc = flags.find((it) => it.startsWith("--allow-ffi="))?.split("=")[1];
  return `
    const tries = {
      "load libc": () => Deno.dlopen(${
    JSON.stringify(libc)
  }, { getpid: { parameters: [], result: "i32" } }),
      "load another library": () => Deno.dlopen("/lib/x86_64-linux-gnu/libm.so.6", {}),
      "load libc by name": () => Deno.dlopen("libc.so.6", {}),
      "make pointers": () => Deno.UnsafePointer.of(new Uint8Array(1)),
      "connect": () => Deno.connect({ port: 1 }),
      "listen": () => Deno.listen({ port: 0 }),
      "fetch": () => fetch("http://127.0.0.1:1/"),
      "resolve names": () => Deno.resolveDns("localhost", "A"),
      "run a program": () => new Deno.Command("/bin/true").output(),
      "read a file": () => Deno.readTextFile("/etc/passwd"),
      "write a file": () => Deno.writeTextFile("/tmp/probe-must-not-exist", ""),
      "read the environment": () => Deno.env.get("PATH"),
      "ask the system": () => Deno.hostname(),
      "import code": () => import("https://example.org/x.js"),
    };
    const results = {};
    for (const [what, act] of Object.entries(tries)) {
      try {
        await act();
        results[what] = "allowed";
      } catch (error) {
        results[what] = /Requires|NotCapable|^TypeError: Module not found/.test(String(error)) ? "refused" : String(error);
      }
    }
    console.log(JSON.stringify(results));
  `;
}

interface Appended {
  text: string;
  metadata: {
    permissions: Record<string, unknown>;
    node_modules: unknown;
    workspace_resolver: { package_jsons: unknown };
  };
  /** What is in its file system; `n` is the name. */
  files: Record<string, { n: string }>[];
}

/** What deno compile has put behind the base binary. */
async function readAppended(binary: string): Promise<Appended> {
  const base = (await readDenort(target)).length;
  const text = fromBytes((await Deno.readFile(binary)).subarray(base));
  const MAGIC = "d3n0l4nd";
  const [metadata] = text.slice(text.indexOf(MAGIC) + MAGIC.length + 8).split("\0");
  const [, files] = text.match(/\0(\[\{"\w+":\{"n":.*?\}\])/s) ?? [];
  return { text, metadata: JSON.parse(metadata), files: JSON.parse(files) };
}

/** Lists the versions that a program's ELF section .gnu.version_r demands. */
function neededVersions(elf: Uint8Array): string[] {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  const at64 = (at: number) => Number(view.getBigUint64(at, true));
  const table = at64(40), size = view.getUint16(58, true), count = view.getUint16(60, true);
  const SHT_GNU_VERNEED = 0x6ffffffe;
  const section = (index: number) => {
    const at = table + index * size;
    return {
      type: view.getUint32(at + 4, true),
      offset: at64(at + 24),
      link: view.getUint32(at + 40, true),
      entries: view.getUint32(at + 44, true),
    };
  };
  const found = Array.from({ length: count }, (_, index) => section(index)).find(({ type }) =>
    type === SHT_GNU_VERNEED
  );
  if (!found) return [];
  const strings = section(found.link).offset;
  const string = (offset: number) =>
    fromBytes(elf.subarray(strings + offset, elf.indexOf(0, strings + offset)));
  const versions: string[] = [];
  for (let need = found.offset, left = found.entries; left > 0; left--) {
    let version = need + view.getUint32(need + 8, true);
    for (let more = view.getUint16(need + 2, true); more > 0; more--) {
      versions.push(string(view.getUint32(version + 8, true)));
      version += view.getUint32(version + 12, true);
    }
    need += view.getUint32(need + 12, true);
  }
  return versions;
}

function compareVersions(a: string, b: string): number {
  const [x, y] = [a, b].map((it) => it.split(".").map(Number));
  return x.map((part, index) => part - (y[index] ?? 0)).find((it) => it !== 0) ?? 0;
}
