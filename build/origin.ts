// Where and when an image was made, for its labels.

import { Problem } from "./project.ts";

/** The time now, or SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/), as RFC 3339 writes it. */
export function timeOfBuild(seconds = Deno.env.get("SOURCE_DATE_EPOCH")): string {
  const date = seconds
    ? new Date(/^\d+$/.test(seconds) ? Number(seconds) * 1000 : NaN)
    : new Date();
  if (isNaN(date.getTime())) {
    throw new Problem(
      `SOURCE_DATE_EPOCH=${
        JSON.stringify(seconds)
      }: it needs whole seconds since 1970, as \`date +%s\` prints them`,
      2,
    );
  }
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}

/** The address where others can read the sources, from git's remote; empty if that is a path. It has no password. */
export function sourceAddress(remote: string): string {
  const [, sshHost, sshPath] = remote.match(/^(?:[^@/:]+@)?([^/:]+):(?!\/\/)(.+)$/) ?? [];
  const url = URL.parse(sshHost ? `ssh://${sshHost}/${sshPath}` : remote);
  if (!url || !["https:", "http:", "ssh:", "git:"].includes(url.protocol)) return "";
  url.username = url.password = "";
  return url.href;
}
