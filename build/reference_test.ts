import { assertThrows } from "@std/assert";
import { Problem } from "./project.ts";
import { requireReference } from "./reference.ts";

const hash = `sha256:${"0".repeat(64)}`;
const kinds = {
  name: {
    good: ["baseimage", "joe/baseimage", "a.b_c__d--e", "localhost/x", "Example.com:5000/joe/x"],
    bad: ["Joe/x", "joe/", "joe x", "joe/x:1.0", "-joe", "a..b", "a___b", "", "x".repeat(256)],
  },
  version: {
    good: ["1.0.0", "_1-a.B", "1".repeat(128)],
    bad: ["1/2", ".1", "-1", "1 0", "1".repeat(129)],
  },
  image: {
    good: [
      "ubuntu:24.04",
      "debian",
      "example.com:5000/joe/x:1",
      `ubuntu@${hash}`,
      `ubuntu:1@${hash}`,
      hash,
    ],
    bad: ["Ubuntu:24.04", "ubuntu:", "ubuntu@24.04", "ubuntu:a:b", "ubuntu 24"],
  },
} as const;

for (const [kind, { good, bad }] of Object.entries(kinds)) {
  Deno.test(`the ${kind} of an image is what docker takes, and nothing else`, () => {
    const check = (it: string) => requireReference(kind as keyof typeof kinds, "VARIABLE", it);
    good.forEach(check);
    for (const it of bad) {
      assertThrows(() => check(it), Problem, `docker does not accept VARIABLE="${it}"`);
    }
  });
}
