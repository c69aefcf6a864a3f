// Where and when an image was made, for its labels.

import { Problem } from "./project.ts";

/** The time of now, or of SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/), by RFC 3339. */
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

/** The address that others can read the sources at, by git's remote: no folder of this machine, and no password. */
export function sourceAddress(remote: string): string {
  const [, sshHost, sshPath] = remote.match(/^(?:[^@/:]+@)?([^/:]+):(?!\/\/)(.+)$/) ?? [];
  const url = URL.parse(sshHost ? `ssh://${sshHost}/${sshPath}` : remote);
  if (!url || !["https:", "http:", "ssh:", "git:"].includes(url.protocol)) return "";
  url.username = url.password = "";
  return url.href;
}
