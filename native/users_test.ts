import { assertEquals } from "@std/assert";
import { type ByteString } from "../posix/bytes.ts";
import { fileSystem, Gone, Simulation } from "./simulation.ts";
import { isOnlyFiles } from "./users.ts";

function decide(files: Record<string, ByteString>): boolean {
  let decided = false;
  const machine: Simulation = new Simulation({
    ...fileSystem(() => machine, (path) => {
      const content = files[path];
      return content === undefined ? undefined : { type: "file", content, mayBeExecuted: false };
    }),
    mmap: (_address, size) => machine.allocate(size),
  });
  machine.run(() => {
    decided = isOnlyFiles();
    throw new Gone("decided", []);
  });
  return decided;
}

const settings: Record<string, boolean> = {
  "": true,
  "\n": true,
  "passwd: files\ngroup: files\n": true,
  "passwd:compat\ngroup:\tcompat \t\nshadow: compat": true,
  "# x\n\npasswd:         files systemd\ngroup:          files systemd\nhosts: files dns [!UNAVAIL=return]\n":
    true,
  "passwd: files": true,
  "passwd: files ldap\n": false,
  "passwd: systemd\n": false,
  "passwd: systemd files\n": false,
  "passwd: files compat\n": false,
  "passwd: files systemd systemd\n": false,
  "passwd: files [NOTFOUND=return]\n": false,
  "passwd: files # x\n": false,
  "passwd:\n": false,
  "passwd: files\r\n": false,
  "passwd: filess\n": false,
  "passwd: file\n": false,
  "passwd: files\npasswd: files\n": false,
  "group: files\ngroup: files\n": false,
  "group: sss\n": false,
  "initgroups: files\n": false,
  " passwd: ldap\n": false,
  "passwd : ldap\n": false,
  "passwd\n": false,
  "PASSWD: files\n": false,
  "hosts: dns\0\npasswd: ldap\n": false,
};
for (const [content, expected] of Object.entries(settings)) {
  Deno.test(`setuser ${expected ? "knows" : "leaves to glibc"} nsswitch.conf ${JSON.stringify(content)}`, () => {
    assertEquals(decide({ "/etc/nsswitch.conf": content }), expected);
  });
}

Deno.test("setuser needs no nsswitch.conf, and leaves everything to glibc where nscd or systemd's NSS module is present", () => {
  const systemd = { "/etc/nsswitch.conf": "passwd: files systemd\n" };
  assertEquals(decide({}), true);
  assertEquals(decide(systemd), true);
  assertEquals(decide({ "/var/run/nscd/socket": "" }), false);
  for (const folder of ["/lib", "/usr/lib"]) {
    const library = `${folder}/x86_64-linux-gnu/libnss_systemd.so.2`;
    assertEquals(decide({ [library]: "", ...systemd }), false);
    assertEquals(decide({ [library]: "", "/etc/nsswitch.conf": "passwd: files\n" }), true);
  }
});
