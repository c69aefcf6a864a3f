// The names that docker allows for an image: https://pkg.go.dev/github.com/distribution/reference

import { Problem } from "./project.ts";

const part = "[a-z0-9]+(?:(?:[.]|__?|-+)[a-z0-9]+)*";
const server = "(?=localhost[:/]|[^/]*[.:])[a-zA-Z0-9-]+(?:[.][a-zA-Z0-9-]+)*(?::[0-9]+)?/";
const name = `(?:${server})?${part}(?:/${part})*`;
const tag = "[\\w][\\w.-]{0,127}";

const kinds = {
  name: {
    grammar: new RegExp(`^(?=.{1,255}$)${name}$`),
    rule: 'small letters and digits, with ".", "_", "-" and "/" between them, as in joe/baseimage',
  },
  version: {
    grammar: new RegExp(`^${tag}$`),
    rule: 'letters and digits, ".", "_" and "-", no "." or "-" first, as in 1.0.0',
  },
  image: {
    grammar: new RegExp(`^${name}(?::${tag})?(?:@sha256:[0-9a-f]{64})?$`),
    rule: "a name and a version, as in ubuntu:24.04",
  },
};

/** A reference as a part of a name or tag: ubuntu-16.04 for ubuntu:16.04. */
export function asWord(reference: string): string {
  return reference.replaceAll(/[^\w.]+/g, "-");
}

/** Throws a Problem unless docker accepts the value of a variable. */
export function requireReference(
  kind: keyof typeof kinds,
  variable: string,
  value: string,
): void {
  const { grammar, rule } = kinds[kind];
  if (!grammar.test(value)) {
    throw new Problem(
      `docker does not accept ${variable}=${JSON.stringify(value)}: it needs ${rule}`,
      2,
    );
  }
}
